#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "engine/data/sources.h"

namespace {

/// A file in memory that every input in turn is written to.
class MemoryFile {
 public:
  void write(const std::uint8_t* data, std::size_t size) const {
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_ = ::memfd_create("pack", 0);
};

}  // namespace

// Also fuzzes safetensors, the format that a pack is in.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  file.write(data, size);
  const bauta::Result<bauta::Dataset::Parts> parts = bauta::open_pack(file.path(), {1, 1, 3});
  if (!parts.ok()) return 0;
  if (parts->names.size() != parts->labels.size() || parts->pixels.size() != parts->labels.size() * 3) {
    __builtin_trap();
  }
  for (std::int32_t label : parts->labels) {
    if (label < 0 || label >= std::ssize(parts->classes)) __builtin_trap();
  }
  return 0;
}
