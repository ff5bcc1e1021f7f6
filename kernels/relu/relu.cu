#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/ptx.h"
#include "kernels/relu/relu_backends.h"
#include "kernels/relu/relu_passed.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// Where x <= 0, +0; a NaN of either sign passes, with its bits. So the bits are compared, from -0 to -inf: of
// a comparison of floats ptxas makes a maximum, whose NaN is always the same one.
__device__ __forceinline__ float rectified(float x) {
  const unsigned bits = bits_of(x);
  return float_of(bits >= 0x80000000 && bits <= 0xFF800000 ? 0 : bits);
}

/// A thread takes four elements. Reads and writes 4·size bytes, each once: bound by memory. y may be x.
__global__ void __launch_bounds__(kElementwiseThreads) rectify(Index size, Ptr<const float> x, Ptr<float> y) {
  const Index i = first_of_four();
  if (i >= size) return;
  const float4 v = load4(x, i, size);
  store4(y, i, size, {rectified(v.x), rectified(v.y), rectified(v.z), rectified(v.w)});
}

/// A thread takes four elements. Reads 8·size bytes and writes 4·size, each once: bound by memory. dx may be
/// dy.
__global__ void __launch_bounds__(kElementwiseThreads)
    pass_gradient(Index size, Ptr<const float> dy, Ptr<const float> y, Ptr<float> dx) {
  const Index i = first_of_four();
  if (i >= size) return;
  const float4 g = load4(dy, i, size);
  const float4 v = load4(y, i, size);
  store4(dx, i, size, {passed(g.x, v.x), passed(g.y, v.y), passed(g.z, v.z), passed(g.w, v.w)});
}

Status forward(const Context& context, Index size, const float* x, float* y) {
  return launch_elementwise(context, "relu_forward", 8, rectify, size, global(x, size), global(y, size));
}

Status dgrad(const Context& context, Index size, const float* dy, const float* y, float* dx) {
  return launch_elementwise(context, "relu_dgrad", 12, pass_gradient, size, global(dy, size), global(y, size),
                            global(dx, size));
}

}  // namespace

const ReluBackend relu_backend = {forward, dgrad};

}  // namespace bauta::BAUTA_DEVICE
