#include "kernels/sgd/sgd_backends.h"

namespace bauta::reference {
namespace {

Status step(const Context&, const float* numbers, const float* skip, Index size, const float* g, float* w,
            float* u) {
  if (skip != nullptr && *skip != 0) return {};
  const double lr = numbers[0], momentum = numbers[1];
  for (Index i = 0; i < size; ++i) {
    const double velocity = momentum * u[i] + g[i];
    w[i] = static_cast<float>(w[i] - lr * velocity);
    u[i] = static_cast<float>(velocity);
  }
  return {};
}

}  // namespace

const SgdBackend sgd_backend = {step};

}  // namespace bauta::reference
