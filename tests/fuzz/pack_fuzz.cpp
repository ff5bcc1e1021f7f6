#include "engine/data/sources.h"
#include "tests/fuzz/memory_file.h"

// Whatever opens has a name, a known label and all its pixels for each image, and a part for each or for
// none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  file.write(data, size);
  const bauta::Result<bauta::Dataset::Contents> contents = bauta::open_pack(file.path(), {1, 1, 3});
  if (!contents.ok()) return 0;
  if (contents->names.size() != contents->labels.size() ||
      contents->pixels.size() != contents->labels.size() * 3) {
    __builtin_trap();
  }
  if (!contents->parts.empty() && contents->parts.size() != contents->labels.size()) __builtin_trap();
  for (bauta::Part part : contents->parts) {
    if (part > bauta::Part::test) __builtin_trap();
  }
  for (std::int32_t label : contents->labels) {
    if (label < 0 || label >= std::ssize(contents->classes)) __builtin_trap();
  }
  return 0;
}
