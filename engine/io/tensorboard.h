#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/io/file.h"
#include "kernels/status.h"

namespace bauta {

/// A TensorBoard event file being written: TFRecords, each holding an Event message; the first names the
/// format. TensorBoard takes up a file whose name contains "tfevents", such as events.out.tfevents.0.bauta.
/// Records reach the file at flush() at the latest; what was not flushed may be lost when the process dies.
class EventFile {
 public:
  /// Starts a new file at `path`, in place of any that is there. An error when the name lacks "tfevents".
  static Result<EventFile> create(const std::string& path);

  /// Goes on with the file at `path` after its first `keep_bytes` bytes, a size() of before; cuts off the
  /// rest. An error, with the file as it was, when it is shorter.
  static Result<EventFile> append(const std::string& path, std::uint64_t keep_bytes);

  /// Adds one point of the curve `tag`: Summary.Value.simple_value. `wall_time` is in seconds since 1970.
  Status scalar(std::string_view tag, std::int64_t step, float value, double wall_time);

  /// Puts everything written so far onto the disk (fsync).
  Status flush();

  /// Bytes written so far, flushed or not.
  std::uint64_t size() const { return size_; }

 private:
  EventFile(FilePointer file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}
  Status record(std::string_view event);

  FilePointer file_;
  std::string path_;
  std::uint64_t size_;
};

}  // namespace bauta
