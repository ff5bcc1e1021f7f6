#include "kernels/adam/adam_backends.h"
#include "kernels/cuda/elementwise.h"

namespace bauta::BAUTA_DEVICE {
namespace {

/// Those of AdamNumbers that an update takes.
struct Numbers {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float step_size, bias_correction2_sqrt, epsilon;
};

__device__ __forceinline__ void update(const Numbers& a, float g, float& w, float& m, float& v) {
  m = fmaf(a.one_minus_beta1, g, a.beta1 * m);
  v = fmaf(a.one_minus_beta2 * g, g, a.beta2 * v);
  w = fmaf(-a.step_size, m / (sqrtf(v) / a.bias_correction2_sqrt + a.epsilon), w);
}

/// A thread takes four parameters, all of a network in one launch. Reads 16·size bytes and writes 12·size,
/// each once: bound by memory, beside which an exact root and two exact divisions cost little.
__global__ void __launch_bounds__(kElementwiseThreads)
    adam(Index size, Global<const float> numbers, Global<const float> skip, Global<const float> g,
         Global<float> w, Global<float> m, Global<float> v) {
  const Index i = first_of_four();
  if (i >= size) return;
  const float4 n = load<float4>(&numbers[0]);
  const float4 o = load<float4>(&numbers[4]);
  const Numbers a = {n.x, n.y, n.z, n.w, o.x, o.y, o.z};
  const float4 gs = load4(g, i, size);
  float4 ws = load4(w, i, size);
  float4 ms = load4(m, i, size);
  float4 vs = load4(v, i, size);
  if (skipped(skip)) return;
  update(a, gs.x, ws.x, ms.x, vs.x);
  update(a, gs.y, ws.y, ms.y, vs.y);
  update(a, gs.z, ws.z, ms.z, vs.z);
  update(a, gs.w, ws.w, ms.w, vs.w);
  store4(w, i, size, ws);
  store4(m, i, size, ms);
  store4(v, i, size, vs);
}

Status step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
            float* w, float* m, float* v) {
  return launch_elementwise(context, "adam", 28, adam, size, global(numbers, 8), global(skip, 1),
                            global(g, size), global(w, size), global(m, size), global(v, size));
}

}  // namespace

const AdamBackend adam_backend = {step};

}  // namespace bauta::BAUTA_DEVICE
