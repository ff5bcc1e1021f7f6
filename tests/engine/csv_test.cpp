#include "engine/data/csv.h"

#include <gtest/gtest.h>

#include "engine/core/rng.h"

namespace bauta {
namespace {

using Fields = std::vector<std::string>;

std::vector<CsvRow> rows_of(std::string_view text) {
  Result<std::vector<CsvRow>> rows = parse_csv(text, "m.csv");
  EXPECT_TRUE(rows.ok()) << rows.status().message();
  return rows.ok() ? *rows : std::vector<CsvRow>();
}

std::string error_of(std::string_view text) {
  const Result<std::vector<CsvRow>> rows = parse_csv(text, "m.csv");
  EXPECT_FALSE(rows.ok()) << text;
  return rows.status().message();
}

TEST(Csv, ReadsFieldsAndLineNumbers) {
  const std::vector<CsvRow> rows = rows_of("a,b\n1,2\n\n,\nlast");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].fields, (Fields{"a", "b"}));
  EXPECT_EQ(rows[1].fields, (Fields{"1", "2"}));
  EXPECT_EQ(rows[2].fields, (Fields{"", ""}));
  EXPECT_EQ(rows[2].line, 4);
  EXPECT_EQ(rows[3].fields, Fields{"last"});
}

TEST(Csv, QuotesHoldCommasLineBreaksAndQuotes) {
  const std::vector<CsvRow> rows = rows_of("\"a,b\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\"\"\r\nx,y\r\n");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].fields, (Fields{"a,b", "say \"hi\""}));
  EXPECT_EQ(rows[1].fields, (Fields{"two\nlines", ""}));
  EXPECT_EQ(rows[2].fields, (Fields{"x", "y"}));
  EXPECT_EQ(rows[2].line, 4);
}

TEST(Csv, SkipsAByteOrderMark) { EXPECT_EQ(rows_of("\xEF\xBB\xBFpath\n")[0].fields, Fields{"path"}); }

TEST(Csv, AnEmptyTextHasNoRows) { EXPECT_TRUE(rows_of("").empty()); }

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_NE(error_of("a\nb\"c\n").find("inside a field that is not quoted (m.csv:2)"), std::string::npos);
  EXPECT_NE(error_of("a\n\"b\"c\n").find("after a closing quote (m.csv:2)"), std::string::npos);
  EXPECT_NE(error_of("a\nb\n\"c\n\n\n").find("never closed (m.csv:3)"), std::string::npos);
}

// Whatever the text, parsing ends, and keeps no more than it was given.
TEST(Csv, SurvivesAnyText) {
  constexpr std::string_view kLetters = "\"\",,\n\r a\xEF\xBB\xBF";
  Rng rng(1, RngStream::init);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const std::uint32_t size = rng.below(24);
    while (text.size() < size) text += kLetters[rng.below(static_cast<std::uint32_t>(kLetters.size()))];
    const Result<std::vector<CsvRow>> rows = parse_csv(text, "m.csv");
    if (!rows.ok()) continue;
    std::size_t kept = 0;
    for (const CsvRow& row : *rows) {
      EXPECT_FALSE(row.fields.empty());
      for (const std::string& field : row.fields) kept += field.size();
    }
    EXPECT_LE(kept, text.size());
  }
}

TEST(CsvRecord, IsReadAsWhatWasWritten) {
  const std::vector<std::vector<std::string>> all = {
      {"a", "b"},  {""}, {"", ""}, {"x", "a\r"}, {"a,b", "c\nd", "\"", "say \"x\"", "e\r\nf", "\r", " g "},
      {"\xC3\xA9"}};
  std::string text;
  for (const auto& fields : all) text += csv_record(fields);
  const auto rows = parse_csv(text, "x.csv");
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  ASSERT_EQ(rows->size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ((*rows)[i].fields, all[i]);
  EXPECT_EQ(csv_record({"a", "b c", "d,e"}), "a,b c,\"d,e\"\n");
  EXPECT_EQ(csv_record({"a\rb"}), "\"a\rb\"\n");
}

}  // namespace
}  // namespace bauta
