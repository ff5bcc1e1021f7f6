#include <cmath>

#include "kernels/adam/adam_backends.h"

namespace bauta::reference {
namespace {

Status step(const Context&, const float* numbers, const float* skip, Index size, const float* g, float* w,
            float* m, float* v) {
  if (skip != nullptr && *skip != 0) return {};
  const double beta1 = numbers[0], one_minus_beta1 = numbers[1], beta2 = numbers[2],
               one_minus_beta2 = numbers[3];
  const double step_size = numbers[4], bias_correction2_sqrt = numbers[5], epsilon = numbers[6];
  for (Index i = 0; i < size; ++i) {
    const double mean = beta1 * m[i] + one_minus_beta1 * g[i];
    const double square = beta2 * v[i] + one_minus_beta2 * g[i] * g[i];
    w[i] =
        static_cast<float>(w[i] - step_size * mean / (std::sqrt(square) / bias_correction2_sqrt + epsilon));
    m[i] = static_cast<float>(mean);
    v[i] = static_cast<float>(square);
  }
  return {};
}

}  // namespace

const AdamBackend adam_backend = {step};

}  // namespace bauta::reference
