#include "kernels/elementwise.h"
#include "kernels/peak/peak_backends.h"

namespace bauta::BAUTA_ISA {
namespace {

// Two units with a latency of 4 or 5 cycles need 10; with their two factors they fit 16 registers.
constexpr int kChains = 12;

float multiply_add(Index rounds, float seed) {
  Vec chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = broadcast(seed + static_cast<float>(i));
  const Vec shrink = broadcast(0.5F * seed);
  const Vec grow = broadcast(seed);
  for (Index round = 0; round < rounds; ++round) {
    for (Vec& chain : chains) chain = fma(chain, shrink, grow);
  }
  Vec total = zero();
  for (const Vec& chain : chains) total += chain;
  return sum(total);
}

void triad(const Context& context, Index size, float* a, const float* b, float s, const float* c) {
  const Vec factor = broadcast(s);
  for_vectors(context, size, [=](Index i, int lanes) {
    store(a + i, fma(factor, load(c + i, lanes), load(b + i, lanes)), lanes);
  });
}

}  // namespace

const PeakBackend peak_backend = {multiply_add, kChains* kWidth, triad};

}  // namespace bauta::BAUTA_ISA
