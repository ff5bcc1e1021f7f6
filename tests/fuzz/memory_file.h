#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

/// A file in memory that every input in turn is written to.
class MemoryFile {
 public:
  void write(const std::uint8_t* data, std::size_t size) const {
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, data, size, 0) != static_cast<ssize_t>(size))
      __builtin_trap();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_ = ::memfd_create("input", 0);
};
