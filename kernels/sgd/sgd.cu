#include "kernels/cuda/elementwise.h"
#include "kernels/sgd/sgd_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

__device__ __forceinline__ void update(float lr, float momentum, float g, float& w, float& u) {
  u = fmaf(momentum, u, g);
  w = fmaf(-lr, u, w);
}

/// A thread takes four parameters, all of a network in one launch. Reads 12·size bytes and writes 8·size,
/// each once: bound by memory.
__global__ void __launch_bounds__(kElementwiseThreads)
    sgd(Index size, Global<const float> numbers, Global<const float> skip, Global<const float> g,
        Global<float> w, Global<float> u) {
  const Index i = first_of_four();
  if (i >= size) return;
  const float lr = numbers[0];
  const float momentum = numbers[1];
  const float4 gs = load4(g, i, size);
  float4 ws = load4(w, i, size);
  float4 us = load4(u, i, size);
  if (skipped(skip)) return;
  update(lr, momentum, gs.x, ws.x, us.x);
  update(lr, momentum, gs.y, ws.y, us.y);
  update(lr, momentum, gs.z, ws.z, us.z);
  update(lr, momentum, gs.w, ws.w, us.w);
  store4(w, i, size, ws);
  store4(u, i, size, us);
}

Status step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
            float* w, float* u) {
  return launch_elementwise(context, "sgd", 20, sgd, size, global(numbers, 2), global(skip, 1),
                            global(g, size), global(w, size), global(u, size));
}

}  // namespace

const SgdBackend sgd_backend = {step};

}  // namespace bauta::BAUTA_DEVICE
