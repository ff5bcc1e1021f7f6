#include "engine/io/safetensors.h"
#include "tests/fuzz/memory_file.h"

// Whatever opens has tensors that are found by their names, and whose bytes are all there.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile input;
  input.write(data, size);
  const auto file = bauta::Safetensors::open(input.path());
  if (!file.ok()) return 0;
  std::size_t total = 0;
  for (const bauta::TensorView& tensor : file->tensors()) {
    if (file->find(tensor.name) != &tensor) __builtin_trap();
    if (bauta::tensor_bytes(tensor.dtype, tensor.shape) != tensor.bytes.size()) __builtin_trap();
    volatile std::byte last{};
    for (const std::byte byte : tensor.bytes) last = byte;
    static_cast<void>(last);
    total += tensor.bytes.size();
  }
  if (total > size) __builtin_trap();
  return 0;
}
