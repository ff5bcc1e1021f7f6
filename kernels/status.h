#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace bauta {

/// The outcome of something that can fail: ok, or one line that says what went wrong, where, and how to fix
/// it. Errors are values here; nothing in bauta_core throws.
class [[nodiscard]] Status {
 public:
  /// Success.
  Status() = default;

  /// A failure. `what` names the fault, `where` the file, tensor or option (may be empty), `fix` what to do
  /// (may be empty).
  static Status error(const std::string& what, const std::string& where = {}, const std::string& fix = {});

  /// A failure of the caller's words (an option, an argument): apps exit 2 for these and 1 for the rest.
  static Status usage(const std::string& what, const std::string& where = {}, const std::string& fix = {});

  /// A failure of a device, a disk, or the way to another process, that the work has no part in: a run can go
  /// on from its checkpoint.
  static Status fault(const std::string& what, const std::string& where = {}, const std::string& fix = {});

  /// The same failure, seen from further out: `where` comes before its own WHERE.
  Status in(const std::string& where) const;

  bool ok() const { return message_.empty(); }
  bool is_usage() const { return kind_ == Kind::usage; }
  bool is_fault() const { return kind_ == Kind::fault; }

  /// WHAT alone; empty when ok.
  std::string what() const { return message_.substr(0, what_size_); }

  /// "WHAT (WHERE): HOW TO FIX", one line without a newline; empty when ok.
  const std::string& message() const { return message_; }

 private:
  enum class Kind { error, usage, fault };

  std::string message_;
  std::size_t what_size_ = 0;  // of the message: what follows is WHERE, or FIX
  Kind kind_ = Kind::error;
};

/// A value, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  /// The failure; an ok Status when there is a value.
  const Status& status() const { return status_; }

  /// The value; only to be asked for when ok().
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

/// Puts a value where it belongs; where there is none, gives the failure and leaves `to` as it is.
template <class T>
Status put_into(T& to, Result<T> from) {
  if (from.ok()) to = std::move(*from);
  return from.status();
}

/// Leaves the calling function with the failure of `expression`, a Status, if it failed.
#define BAUTA_TRY(expression)                                              \
  do {                                                                     \
    if (::bauta::Status bauta_status = (expression); !bauta_status.ok()) { \
      return bauta_status;                                                 \
    }                                                                      \
  } while (false)

}  // namespace bauta
