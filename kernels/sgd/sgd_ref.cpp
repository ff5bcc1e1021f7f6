#include "kernels/sgd/sgd_backends.h"

namespace bauta::reference {
namespace {

Status step(const Context&, const SgdStep& s, Index size, const float* g, float* w, float* u) {
  for (Index i = 0; i < size; ++i) {
    const double velocity = double{s.momentum} * u[i] + g[i];
    w[i] = static_cast<float>(w[i] - s.lr * velocity);
    u[i] = static_cast<float>(velocity);
  }
  return {};
}

}  // namespace

const SgdBackend sgd_backend = {step};

}  // namespace bauta::reference
