#include <cmath>

#include "kernels/adam/adam_backends.h"
#include "kernels/elementwise.h"

namespace bauta::BAUTA_ISA {
namespace {

// 28 bytes move for each parameter: bound by memory, beside which a root and two divisions cost nothing.
Status step(const Context& context, const AdamStep& a, Index size, const float* g, float* w, float* m,
            float* v) {
  const double t = a.step;
  const Vec beta1 = broadcast(static_cast<float>(a.beta1));
  const Vec beta2 = broadcast(static_cast<float>(a.beta2));
  const Vec rest1 = broadcast(static_cast<float>(1 - a.beta1));
  const Vec rest2 = broadcast(static_cast<float>(1 - a.beta2));
  const Vec rate = broadcast(static_cast<float>(a.lr / (1 - std::pow(a.beta1, t))));
  const Vec root2 = broadcast(static_cast<float>(__builtin_sqrt(1 - std::pow(a.beta2, t))));
  const Vec epsilon = broadcast(static_cast<float>(a.epsilon));
  for_vectors(context, size, [=](Index i, int lanes) {
    const Vec gi = load(g + i, lanes);
    const Vec mi = fma(rest1, gi, beta1 * load(m + i, lanes));
    const Vec vi = fma(rest2 * gi, gi, beta2 * load(v + i, lanes));
    store(w + i, load(w + i, lanes) - rate * (mi / (sqrt(vi) / root2 + epsilon)), lanes);
    store(m + i, mi, lanes);
    store(v + i, vi, lanes);
  });
  return {};
}

}  // namespace

const AdamBackend adam_backend = {step};

}  // namespace bauta::BAUTA_ISA
