#include "kernels/elementwise.h"
#include "kernels/relu/relu_backends.h"

namespace bauta::BAUTA_ISA {
namespace {

// Bound by memory, as is dgrad. The comparison is false for NaN, which passes.
Status forward(const Context& context, Index size, const float* x, float* y) {
  for_vectors(context, size, [=](Index i, int lanes) {
    const Vec v = load(x + i, lanes);
    store(y + i, v <= 0 ? zero() : v, lanes);
  });
  return {};
}

Status dgrad(const Context& context, Index size, const float* dy, const float* y, float* dx) {
  for_vectors(context, size, [=](Index i, int lanes) {
    store(dx + i, load(y + i, lanes) <= 0 ? zero() : load(dy + i, lanes), lanes);
  });
  return {};
}

}  // namespace

const ReluBackend relu_backend = {forward, dgrad};

}  // namespace bauta::BAUTA_ISA
