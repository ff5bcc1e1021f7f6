#include "kernels/adam/adam_backends.h"
#include "kernels/elementwise.h"

namespace bauta::BAUTA_ISA {
namespace {

// 28 bytes move for each parameter: bound by memory, beside which a root and two divisions cost nothing.
Status step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
            float* w, float* m, float* v) {
  if (skip != nullptr && *skip != 0) return {};
  const Vec beta1 = broadcast(numbers[0]);
  const Vec one_minus_beta1 = broadcast(numbers[1]);
  const Vec beta2 = broadcast(numbers[2]);
  const Vec one_minus_beta2 = broadcast(numbers[3]);
  const Vec step_size = broadcast(numbers[4]);
  const Vec bias_correction2_sqrt = broadcast(numbers[5]);
  const Vec epsilon = broadcast(numbers[6]);
  for_vectors(context, size, [=](Index i, int lanes) {
    const Vec gi = load(g + i, lanes);
    const Vec mi = fma(one_minus_beta1, gi, beta1 * load(m + i, lanes));
    const Vec vi = fma(one_minus_beta2 * gi, gi, beta2 * load(v + i, lanes));
    store(w + i, load(w + i, lanes) - step_size * (mi / (sqrt(vi) / bias_correction2_sqrt + epsilon)), lanes);
    store(m + i, mi, lanes);
    store(v + i, vi, lanes);
  });
  return {};
}

}  // namespace

const AdamBackend adam_backend = {step};

}  // namespace bauta::BAUTA_ISA
