#include "kernels/cuda/elementwise.h"
#include "kernels/normalize/normalize_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

__device__ __forceinline__ float scaled(unsigned byte) { return static_cast<float>(byte) / 255.0F; }

/// A thread takes four bytes, which it reads at once. Reads size bytes and writes 4·size, each once: bound by
/// memory. A division, because a product with 1/255 is not correctly rounded.
__global__ void __launch_bounds__(kElementwiseThreads)
    normalize(Index size, Global<const std::uint8_t> x, Global<float> y) {
  const Index i = first_of_four();
  if (i + 4 <= size) {
    const unsigned bytes = load<unsigned>(&x[i]);
    store4(y, i, size,
           {scaled(bytes & 255), scaled(bytes >> 8 & 255), scaled(bytes >> 16 & 255), scaled(bytes >> 24)});
  } else {
    for (Index k = i; k < size; ++k) {
      const std::uint8_t byte = x[k];
      y[k] = scaled(byte);
    }
  }
}

Status forward(const Context& context, Index size, const std::uint8_t* x, float* y) {
  return launch_elementwise(context, "normalize", 5, normalize, size, global(x, size), global(y, size));
}

}  // namespace

const NormalizeBackend normalize_backend = {forward};

}  // namespace bauta::BAUTA_DEVICE
