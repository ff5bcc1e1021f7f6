#include "engine/data/csv.h"

#include <algorithm>

namespace bauta {
namespace {

/// Walks over a text, record by record.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& file) : text_(text), file_(file) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  bool at_end() const { return at_ == text_.size(); }

  /// Steps over one line break; false where there is none.
  bool skip_line_break() {
    const std::size_t length = text_.substr(at_, 2) == "\r\n" ? 2 : text_.substr(at_, 1) == "\n" ? 1 : 0;
    at_ += length;
    if (length > 0) ++line_;
    return length > 0;
  }

  /// Reads the record that begins here into `row`, and the line break after it.
  Status read(CsvRow& row) {
    row.line = line_;
    do {
      BAUTA_TRY(peek() == '"' ? read_quoted(row) : read_plain(row));
    } while (skip_comma());
    if (!at_end() && !skip_line_break()) return error("there is text after a closing quote");
    return {};
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }

  bool skip_comma() {
    const bool found = peek() == ',';
    if (found) ++at_;
    return found;
  }

  Status read_plain(CsvRow& row) {
    std::size_t end = std::min(text_.find_first_of(",\n\"", at_), text_.size());
    if (end < text_.size() && text_[end] == '"')
      return error("there is a quote inside a field that is not quoted");
    const std::size_t next = end;
    // The \r of a line's end is no part of the field.
    if (end > at_ && text_[end - 1] == '\r' && (next == text_.size() || text_[next] == '\n')) --end;
    row.fields.emplace_back(text_.substr(at_, end - at_));
    at_ = next;
    return {};
  }

  Status read_quoted(CsvRow& row) {
    std::string field;
    const int opened = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"' && text_.substr(at_ + 1, 1) != "\"") {
        ++at_;
        row.fields.push_back(std::move(field));
        return {};
      }
      if (c == '"') ++at_;  // a doubled quote stands for one
      if (c == '\n') ++line_;
      field += c;
    }
    line_ = opened;
    return error("a quote is never closed");
  }

  Status error(const std::string& what) const {
    return Status::error(
        what, file_ + ":" + std::to_string(line_),
        "put a field with commas or quotes in double quotes, and double the quotes inside it");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& file) {
  std::vector<CsvRow> rows;
  CsvReader reader(text, file);
  while (!reader.at_end()) {
    if (reader.skip_line_break()) continue;
    BAUTA_TRY(reader.read(rows.emplace_back()));
  }
  return rows;
}

std::string csv_record(const std::vector<std::string>& fields) {
  std::string record;
  for (const std::string& field : fields) {
    if (&field != fields.data()) record += ',';
    // A record of nothing would be an empty line.
    const bool plain =
        field.find_first_of(",\"\r\n") == std::string::npos && !(field.empty() && fields.size() == 1);
    if (plain) {
      record += field;
      continue;
    }
    record += '"';
    for (const char c : field) record += c == '"' ? std::string("\"\"") : std::string(1, c);
    record += '"';
  }
  return record + "\n";
}

}  // namespace bauta
