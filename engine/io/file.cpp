#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace bauta {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

const char* remedy(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check its permissions";
    case ENOSPC:
    case EDQUOT:
      return "free some space, or write elsewhere";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EFBIG:
      return "raise the limit of a file's size (ulimit -f), or write elsewhere";
    case EISDIR:
      return "name a file, not a folder";
    case ELOOP:
      return "look for links that lead to one another";
    case EIO:
      return "test the disk, or use another";
    default:
      return "check the path and its file system";
  }
}

// Calls a system call again for as long as a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Result<FileDescriptor> open_for_reading(const std::string& path) {
  FileDescriptor file(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (file.get() < 0) return file_error("open", path);
  return file;
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

Status file_error(const std::string& verb, const std::string& path) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT;
  const std::string reason = full ? "the disk is full" : std::generic_category().message(error);
  return Status::error("cannot " + verb + ": " + reason, path, remedy(error));
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

bool lock_file(int descriptor) { return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Non-blocking, so that a pipe is refused below rather than waited for.
  const FileDescriptor file(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  struct stat info;
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return file_error("open", path);
  if (!S_ISREG(info.st_mode)) return Status::error("this is not a file", path, "check the path");

  MappedFile mapped;
  if (info.st_size == 0) return mapped;
  const auto size = static_cast<std::size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) return file_error("map", path);
  mapped.bytes_ = {static_cast<const std::byte*>(address), size};
  return mapped;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  struct stat present;
  if (::stat(path.c_str(), &present) == 0 && S_ISDIR(present.st_mode)) {
    errno = EISDIR;
    return file_error("write", path);
  }
  for (;;) {
    const std::string temporary = path + ".tmp";
    FileDescriptor file(
        uninterrupted([&] { return ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666); }));
    if (file.get() < 0) return file_error("create", temporary);
    if (!lock_file(file.get())) {
      return Status::error("another process is writing this file", path, "wait for it, or write elsewhere");
    }
    // Whoever held the lock before may have renamed the file since it was opened here: then it is theirs, not
    // ours.
    struct stat opened;
    struct stat named;
    if (::fstat(file.get(), &opened) != 0) return file_error("create", temporary);
    if (::stat(temporary.c_str(), &named) != 0 || !same_file(opened, named)) continue;
    if (opened.st_size > 0 && ::ftruncate(file.get(), 0) != 0) return file_error("create", temporary);
    return AtomicFile(path, std::move(file));
  }
}

AtomicFile::~AtomicFile() {
  if (file_.get() >= 0) ::unlink(temporary_path().c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  BAUTA_TRY(write_at(end_, bytes));
  end_ += bytes.size();
  return {};
}

Status AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = uninterrupted(
        [&] { return ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (written < 0) return file_error("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Status AtomicFile::commit() {
  if (::fsync(file_.get()) != 0) return file_error("write", path_);
  if (::rename(temporary_path().c_str(), path_.c_str()) != 0) return file_error("write", path_);
  file_ = FileDescriptor();
  const Result<FileDescriptor> folder = open_for_reading(folder_of(path_));
  if (!folder.ok()) return folder.status();
  // Some file systems cannot sync a folder, and need not.
  if (::fsync(folder->get()) != 0 && errno != EINVAL) return file_error("write", path_);
  return {};
}

Status write_file(const std::string& path, std::span<const std::byte> bytes) {
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file.ok()) return file.status();
  BAUTA_TRY(file->write(bytes));
  return file->commit();
}

Status write_file(const std::string& path, const std::string& text) {
  return write_file(path, std::as_bytes(std::span(text)));
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const Result<FileDescriptor> file = open_for_reading(path);
  if (!file.ok()) return file.status();
  constexpr std::size_t kChunk = 64 * 1024;
  std::string text;
  for (;;) {
    const std::size_t size = text.size();
    if (size > max_bytes) {
      return Status::error("this file is larger than " + std::to_string(max_bytes) + " bytes", path,
                           "check that it is the right one");
    }
    text.resize(size + std::max(kChunk, size));
    const ssize_t got =
        uninterrupted([&] { return ::read(file->get(), text.data() + size, text.size() - size); });
    if (got < 0) return file_error("read", path);
    text.resize(size + static_cast<std::size_t>(got));
    if (got == 0) return text;
  }
}

}  // namespace bauta
