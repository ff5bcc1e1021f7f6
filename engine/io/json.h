#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// A JSON value (RFC 8259). Objects keep the order of their members; integers are signed and of 64 bits,
/// other numbers doubles.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  /// null
  Json() = default;
  Json(bool value) : value_(value) {}
  Json(int value) : value_(std::int64_t{value}) {}
  Json(std::int64_t value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  /// The value if it is of that kind, null otherwise; valid while this Json lives.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }

  /// An array of strings.
  static Json of_strings(const std::vector<std::string>& strings) {
    return Array(strings.begin(), strings.end());
  }
  /// The strings of an array of nothing else.
  std::optional<std::vector<std::string>> strings() const;

  /// The value of an integer or a real number.
  std::optional<double> number() const;

  /// The member of an object with this key; null when there is none, or when this is no object.
  const Json* find(std::string_view key) const;

  /// The text, in one line without spaces. Real numbers have the fewest digits that read back as the same
  /// double; those that JSON has no word for (infinities, NaN) are written as null. Strings must be UTF-8.
  std::string dump() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

/// Parses one JSON text of UTF-8; `where` names it in errors, which give the offset in bytes.
/// Strict: no comments, no trailing commas, no duplicate keys, no lone surrogates, at most 64 levels, and no
/// integer or other number beyond what Json holds.
Result<Json> parse_json(std::string_view text, const std::string& where);

/// Whether `text` is well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text);

}  // namespace bauta
