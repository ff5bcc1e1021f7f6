#include "engine/data/sources.h"
#include "tests/fuzz/memory_file.h"

// Whatever opens has a name, a known label and all its pixels for each image, and a part for each or for
// none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  file.write(data, size);
  const bauta::Result<bauta::Dataset::Parts> parts = bauta::open_pack(file.path(), {1, 1, 3});
  if (!parts.ok()) return 0;
  if (parts->names.size() != parts->labels.size() || parts->pixels.size() != parts->labels.size() * 3) {
    __builtin_trap();
  }
  if (!parts->own_parts.empty() && parts->own_parts.size() != parts->labels.size()) __builtin_trap();
  for (bauta::Part part : parts->own_parts) {
    if (part > bauta::Part::test) __builtin_trap();
  }
  for (std::int32_t label : parts->labels) {
    if (label < 0 || label >= std::ssize(parts->classes)) __builtin_trap();
  }
  return 0;
}
