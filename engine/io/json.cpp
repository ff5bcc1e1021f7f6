#include "engine/io/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace bauta {
namespace {

constexpr int kMaxDepth = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of the well-formed UTF-8 sequence at the beginning of `text`, or 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  // The second byte is what excludes overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned low = lead == 0xE0 ? 0xA0U : lead == 0xF0 ? 0x90U : 0x80U;
  const unsigned high = lead == 0xED ? 0x9FU : lead == 0xF4 ? 0x8FU : 0xBFU;
  if (byte(1) < low || byte(1) > high) return 0;
  if (lead < 0xE0) return 2;
  if (!continues(2)) return 0;
  if (lead < 0xF0) return 3;
  return continues(3) ? 4 : 0;
}

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  const auto put_low_bits = [&](unsigned shift) { put(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put_low_bits(12);
    }
    put_low_bits(6);
  }
  put_low_bits(0);
}

// A recursive-descent parser over one text. Each parse_ function starts at position_ and leaves it behind
// what it has taken.
class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Result<Json> parse_text() {
    Json value;
    BAUTA_TRY(parse_value(value, 0));
    skip_space();
    if (position_ != text_.size()) return error("nothing may follow the value");
    return value;
  }

 private:
  Status error(const std::string& what) const {
    return Status::error("bad JSON at byte " + std::to_string(position_) + ", " + what, where_);
  }

  // The next character, or NUL, which is never a valid one, at the end.
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  bool take(char c) {
    if (peek() != c || position_ == text_.size()) return false;
    ++position_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (text_.substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }

  void skip_space() { position_ = std::min(text_.find_first_not_of(" \t\n\r", position_), text_.size()); }

  Status parse_value(Json& value, int depth) {
    if (depth == kMaxDepth)
      return error("it is nested more than " + std::to_string(kMaxDepth) + " levels deep");
    skip_space();
    switch (peek()) {
      case '{':
        return parse_object(value, depth);
      case '[':
        return parse_array(value, depth);
      case '"': {
        std::string string;
        BAUTA_TRY(parse_string(string));
        value = Json(std::move(string));
        return {};
      }
      default:
        if (take_word("null")) return {};
        if (take_word("true")) return value = Json(true), Status();
        if (take_word("false")) return value = Json(false), Status();
        return parse_number(value);
    }
  }

  Status parse_array(Json& value, int depth) {
    take('[');
    Json::Array items;
    skip_space();
    if (!take(']')) {
      do {
        BAUTA_TRY(parse_value(items.emplace_back(), depth + 1));
        skip_space();
      } while (take(','));
      if (!take(']')) return error("expected ',' or ']'");
    }
    value = Json(std::move(items));
    return {};
  }

  Status parse_object(Json& value, int depth) {
    take('{');
    Json::Object members;
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        auto& [key, member] = members.emplace_back();
        if (peek() != '"') return error("expected a key in quotes");
        BAUTA_TRY(parse_string(key));
        skip_space();
        if (!take(':')) return error("expected ':'");
        BAUTA_TRY(parse_value(member, depth + 1));
        skip_space();
      } while (take(','));
      if (!take('}')) return error("expected ',' or '}'");
    }
    BAUTA_TRY(check_keys(members));
    value = Json(std::move(members));
    return {};
  }

  Status check_keys(const Json::Object& members) const {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const auto& member : members) keys.emplace_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice == keys.end()) return {};
    return error("the object that ends here has the key \"" + std::string(*twice) + "\" twice");
  }

  Status parse_string(std::string& string) {
    take('"');
    while (!take('"')) {
      if (position_ == text_.size()) return error("the string does not end");
      if (static_cast<unsigned char>(peek()) < 0x20) return error("control characters must be escaped");
      if (take('\\')) {
        BAUTA_TRY(parse_escape(string));
        continue;
      }
      const std::size_t length = utf8_length(text_.substr(position_));
      if (length == 0) return error("this is not UTF-8");
      string += text_.substr(position_, length);
      position_ += length;
    }
    return {};
  }

  Status parse_escape(std::string& string) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (take('u')) return parse_unicode_escape(string);
    const std::size_t which = position_ < text_.size() ? kNames.find(peek()) : std::string_view::npos;
    if (which == std::string_view::npos) return error("unknown escape");
    ++position_;
    string += kMeanings[which];
    return {};
  }

  // What follows \u: a code unit of UTF-16, and the second one of a surrogate pair.
  Status parse_unicode_escape(std::string& string) {
    unsigned code = 0;
    BAUTA_TRY(parse_hex4(code));
    if (code >= 0xDC00 && code <= 0xDFFF) return error("a low surrogate without its high one");
    if (code >= 0xD800 && code <= 0xDBFF) {
      unsigned low = 0;
      if (!take_word("\\u")) return error("a high surrogate without its low one");
      BAUTA_TRY(parse_hex4(low));
      if (low < 0xDC00 || low > 0xDFFF) return error("a high surrogate without its low one");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(string, code);
    return {};
  }

  Status parse_hex4(unsigned& code) {
    const std::string_view digits = text_.substr(position_, 4);
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (fault != std::errc() || end != digits.data() + 4) return error("\\u needs four hexadecimal digits");
    position_ += 4;
    return {};
  }

  // Takes digits; false when there is none.
  bool take_digits() {
    const std::size_t begin = position_;
    while (is_digit(peek())) ++position_;
    return position_ > begin;
  }

  Status parse_number(Json& value) {
    const std::size_t begin = position_;
    bool real = false;
    take('-');
    if (!take('0') && !take_digits()) return error("expected a value");
    if (take('.')) {
      real = true;
      if (!take_digits()) return error("expected a digit");
    }
    if (take('e') || take('E')) {
      real = true;
      if (!take('+')) take('-');
      if (!take_digits()) return error("expected a digit");
    }
    const std::string_view digits = text_.substr(begin, position_ - begin);
    return real ? convert<double>(digits, value) : convert<std::int64_t>(digits, value);
  }

  template <class T>
  Status convert(std::string_view digits, Json& value) {
    T number = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) {
      return error("the number that ends here is out of range");
    }
    value = Json(number);
    return {};
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t position_ = 0;
};

void dump_string(const std::string& string, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : string) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void dump_real(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char digits[32];
  const std::string_view text(
      digits, static_cast<std::size_t>(std::to_chars(digits, digits + 32, number).ptr - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void dump_value(const Json& value, std::string& out) {
  const char* separator = "";
  if (const Json::Object* object = value.object()) {
    out += '{';
    for (const auto& [key, member] : *object) {
      out += separator;
      dump_string(key, out);
      out += ':';
      dump_value(member, out);
      separator = ",";
    }
    out += '}';
  } else if (const Json::Array* array = value.array()) {
    out += '[';
    for (const Json& item : *array) {
      out += separator;
      dump_value(item, out);
      separator = ",";
    }
    out += ']';
  } else if (value.string() != nullptr) {
    dump_string(*value.string(), out);
  } else if (value.integer() != nullptr) {
    out += std::to_string(*value.integer());
  } else if (value.number()) {
    dump_real(*value.number(), out);
  } else if (value.boolean() != nullptr) {
    out += *value.boolean() ? "true" : "false";
  } else {
    out += "null";
  }
}

}  // namespace

std::optional<std::vector<std::string>> Json::strings() const {
  if (array() == nullptr) return std::nullopt;
  std::vector<std::string> strings;
  for (const Json& item : *array()) {
    if (item.string() == nullptr) return std::nullopt;
    strings.push_back(*item.string());
  }
  return strings;
}

std::optional<double> Json::number() const {
  if (const double* real = std::get_if<double>(&value_)) return *real;
  if (integer() != nullptr) return static_cast<double>(*integer());
  return std::nullopt;
}

const Json* Json::find(std::string_view key) const {
  if (object() == nullptr) return nullptr;
  for (const auto& [name, member] : *object()) {
    if (name == key) return &member;
  }
  return nullptr;
}

std::string Json::dump() const {
  std::string text;
  dump_value(*this, text);
  return text;
}

Result<Json> parse_json(std::string_view text, const std::string& where) {
  return Parser(text, where).parse_text();
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace bauta
