// With a GPU, the aligned arrays of a test program lie in memory that CPU and GPU share, so that one test and
// its arrays serve every backend. Buffer takes its memory from these operators.

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <new>

namespace {

bool has_gpu() {
  static const bool found = [] {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
  }();
  return found;
}

}  // namespace

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  void* memory = nullptr;
  if (has_gpu()) {
    if (cudaMallocManaged(&memory, bytes > 0 ? bytes : 1) != cudaSuccess) throw std::bad_alloc();
    return memory;  // aligned to 256 bytes
  }
  const auto unit = static_cast<std::size_t>(alignment);
  memory = std::aligned_alloc(unit, (bytes / unit + 1) * unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory, std::align_val_t) noexcept {
  if (has_gpu()) {
    static_cast<void>(cudaFree(memory));
  } else {
    std::free(memory);
  }
}

void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}
