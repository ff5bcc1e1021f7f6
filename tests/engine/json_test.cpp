#include "engine/io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bauta {
namespace {

using testing::HasSubstr;

Json parse(std::string_view text) {
  Result<Json> json = parse_json(text, "test");
  EXPECT_TRUE(json.ok()) << text << ": " << json.status().message();
  return json.ok() ? *json : Json();
}

std::string fault(std::string_view text) { return parse_json(text, "f.json").status().message(); }

TEST(Json, ReadsEveryKindOfValue) {
  const Json json = parse(R"( {"a": [1, -2.5, 1e3, true, false, null], "b": {"c": "text"}, "": []} )");
  const Json::Array& items = *json.find("a")->array();
  ASSERT_EQ(items.size(), 6U);
  EXPECT_EQ(*items[0].integer(), 1);
  EXPECT_EQ(*items[0].number(), 1.0);
  EXPECT_EQ(items[1].integer(), nullptr);
  EXPECT_EQ(*items[1].number(), -2.5);
  EXPECT_EQ(*items[2].number(), 1000.0);
  EXPECT_TRUE(*items[3].boolean());
  EXPECT_FALSE(*items[4].boolean());
  EXPECT_EQ(items[5].dump(), "null");
  EXPECT_EQ(*json.find("b")->find("c")->string(), "text");
  EXPECT_TRUE(json.find("")->array()->empty());
  EXPECT_EQ(json.find("missing"), nullptr);
  EXPECT_EQ(items[0].find("a"), nullptr);
}

TEST(Json, KeepsTheOrderOfMembers) {
  EXPECT_EQ(parse(R"({"z":1,"a":2,"m":3})").dump(), R"({"z":1,"a":2,"m":3})");
}

TEST(Json, NumbersSurviveDumpAndParse) {
  for (const double number : {0.1, -0.0, 1.0, 1e-5, 1e300, 5e-324, 1.0 / 3.0, 123456789012345678.0}) {
    const Json back = parse(Json(number).dump());
    EXPECT_EQ(back.integer(), nullptr);
    EXPECT_EQ(*back.number(), number);
    EXPECT_EQ(std::signbit(*back.number()), std::signbit(number));
  }
  for (const std::int64_t number : {std::int64_t{0}, std::numeric_limits<std::int64_t>::max(),
                                    std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(*parse(Json(number).dump()).integer(), number);
  }
  for (const double number : std::vector<double>{NAN, INFINITY, -INFINITY})
    EXPECT_EQ(Json(number).dump(), "null");
}

TEST(Json, StringsSurviveDumpAndParse) {
  std::string all("\0\x01\x1f\n\t\"\\/ a\x7f", 11);
  all += "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\xB7";
  EXPECT_EQ(*parse(Json(all).dump()).string(), all);
}

TEST(Json, ReadsEscapesAndSurrogatePairs) {
  EXPECT_EQ(*parse(R"("\"\\\/\b\f\n\r\t")").string(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(*parse(R"("\u0041\u00e9\u20AC\ud83d\ude37")").string(), "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\xB7");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\" 1}",
                           "[1 2]",
                           "01",
                           "1.",
                           ".5",
                           "+1",
                           "1e",
                           "-",
                           "nul",
                           "truex",
                           "\"",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12G4\"",
                           "\"\\u-123\"",
                           "NaN",
                           "'a'",
                           "[1]]",
                           "// comment\n1",
                           "\"a\nb\""}) {
    EXPECT_FALSE(parse_json(text, "test").ok()) << text;
  }
  EXPECT_FALSE(parse_json(std::string_view("1\0", 2), "test").ok());
}

TEST(Json, ErrorsGiveTheFileAndTheOffset) {
  EXPECT_EQ(fault("[1, 2"), "bad JSON at byte 5, expected ',' or ']' (f.json)");
  EXPECT_EQ(fault(R"({"a":1,"b":2,"a":3})"),
            R"(bad JSON at byte 19, the object that ends here has the key "a" twice (f.json))");
}

TEST(Json, RefusesNumbersThatItCannotHold) {
  EXPECT_THAT(fault("9223372036854775808"), HasSubstr("out of range"));
  EXPECT_THAT(fault("1e999"), HasSubstr("out of range"));
  EXPECT_THAT(fault(std::string(1000, '9')), HasSubstr("out of range"));
}

TEST(Json, RefusesLoneSurrogatesAndBadUtf8) {
  EXPECT_THAT(fault(R"("\ud83d")"), HasSubstr("surrogate"));
  EXPECT_THAT(fault(R"("\ud83dA")"), HasSubstr("surrogate"));
  EXPECT_THAT(fault(R"("\ude37")"), HasSubstr("surrogate"));
  // Overlong, a surrogate, beyond U+10FFFF, a lone continuation, a cut sequence.
  for (const char* bytes :
       {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bytes));
    EXPECT_THAT(fault(std::string("\"") + bytes + "\""), HasSubstr("not UTF-8"));
  }
}

TEST(Json, RefusesDeepNestingWithoutRecursingThroughIt) {
  EXPECT_TRUE(parse_json(std::string(64, '[') + std::string(64, ']'), "test").ok());
  EXPECT_THAT(fault(std::string(65, '[') + std::string(65, ']')), HasSubstr("64 levels"));
  EXPECT_THAT(fault(std::string(1000000, '[')), HasSubstr("64 levels"));
}

}  // namespace
}  // namespace bauta
