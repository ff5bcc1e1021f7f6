#include "kernels/elementwise.h"
#include "kernels/sgd/sgd_backends.h"

namespace bauta::BAUTA_ISA {
namespace {

// 20 bytes move for each parameter: bound by memory.
Status step(const Context& context, const SgdStep& s, Index size, const float* g, float* w, float* u) {
  const Vec momentum = broadcast(s.momentum);
  const Vec minus_lr = broadcast(-s.lr);
  for_vectors(context, size, [=](Index i, int lanes) {
    const Vec ui = fma(momentum, load(u + i, lanes), load(g + i, lanes));
    store(w + i, fma(minus_lr, ui, load(w + i, lanes)), lanes);
    store(u + i, ui, lanes);
  });
  return {};
}

}  // namespace

const SgdBackend sgd_backend = {step};

}  // namespace bauta::BAUTA_ISA
