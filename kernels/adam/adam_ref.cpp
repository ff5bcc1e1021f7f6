#include <cmath>

#include "kernels/adam/adam_backends.h"

namespace bauta::reference {
namespace {

Status step(const Context&, const AdamStep& a, Index size, const float* g, float* w, float* m, float* v) {
  const double correction1 = 1 - std::pow(a.beta1, a.step);
  const double correction2 = 1 - std::pow(a.beta2, a.step);
  for (Index i = 0; i < size; ++i) {
    const double mean = a.beta1 * m[i] + (1 - a.beta1) * g[i];
    const double square = a.beta2 * v[i] + (1 - a.beta2) * g[i] * g[i];
    const double change =
        a.lr / correction1 * mean / (std::sqrt(square) / std::sqrt(correction2) + a.epsilon);
    w[i] = static_cast<float>(w[i] - change);
    m[i] = static_cast<float>(mean);
    v[i] = static_cast<float>(square);
  }
  return {};
}

}  // namespace

const AdamBackend adam_backend = {step};

}  // namespace bauta::reference
