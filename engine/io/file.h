#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kernels/status.h"

namespace bauta {

/// The failure that errno now holds, in words: "cannot <verb>: <reason> (<path>): <what to do>".
Status file_error(const std::string& verb, const std::string& path);

/// An open file descriptor; closes it when destroyed.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  /// The descriptor, or -1 when there is none.
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
/// A file that is written by stdio; closes it when destroyed.
using FilePointer = std::unique_ptr<std::FILE, CloseFile>;

/// Locks an open file for this process, until it is closed. False where another process has locked it; a file
/// system without locks has no one else to be kept out either.
bool lock_file(int descriptor);

/// A whole regular file, mapped read-only. Its bytes are at page-aligned addresses and stay where they are
/// when the object is moved. The file must not be shortened while it is mapped; replacing it by rename is
/// safe.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  /// Valid while the object lives; empty for an empty file.
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::span<const std::byte> bytes_;
};

/// A file that appears whole or not at all. Its bytes go to PATH.tmp beside it; commit() makes them durable
/// and renames them into place. Destroyed without commit(), it removes the temporary file and leaves what was
/// at PATH alone. A temporary file left by a killed process is taken over; one that is being written
/// elsewhere is refused, as is a folder's path.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);

  ~AtomicFile();
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;

  /// Appends to what write() has written.
  Status write(std::span<const std::byte> bytes);

  /// Writes at `offset`, and does not move where write() goes on.
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes);

  /// Moves where write() goes on to `offset`; what is skipped reads as zeros.
  void seek(std::uint64_t offset) { end_ = offset; }

  /// Makes the file durable (fsync), renames it into place and makes that durable too.
  Status commit();

 private:
  AtomicFile(std::string path, FileDescriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string temporary_path() const { return path_ + ".tmp"; }

  std::string path_;
  FileDescriptor file_;
  std::uint64_t end_ = 0;
};

/// Replaces the file at `path` by `bytes`, whole or not at all.
Status write_file(const std::string& path, std::span<const std::byte> bytes);
Status write_file(const std::string& path, const std::string& text);

/// The contents of a file, which may also be a pipe; fails when there are more than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace bauta
