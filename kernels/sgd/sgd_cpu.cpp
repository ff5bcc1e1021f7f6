#include "kernels/elementwise.h"
#include "kernels/sgd/sgd_backends.h"

namespace bauta::BAUTA_ISA {
namespace {

// 20 bytes move for each parameter: bound by memory.
Status step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
            float* w, float* u) {
  if (skip != nullptr && *skip != 0) return {};
  const Vec minus_lr = broadcast(-numbers[0]);
  const Vec momentum = broadcast(numbers[1]);
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
