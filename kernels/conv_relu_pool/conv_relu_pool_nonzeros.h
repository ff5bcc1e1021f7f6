#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_layout.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

/// The gradient that reaches one channel's winner: none where the ReLU is off.
inline float winner_gradient(float dy, float y) { return y > 0 ? dy : 0.0F; }

/// The position in its window, 2·row + column, of channel o's winner.
inline int winner_at(const std::uint8_t* argmax, int o) { return (argmax[o / 4] >> (2 * (o % 4))) & 3; }

/// A list of non-zero gradients, each with the place of what it multiplies.
struct NonZeros {
  const float* gradient;
  const std::int32_t* offset;  // in floats
  int count;
};

/// to[r][k] += Σ_e gradient[e] · from[offset[e]][r][k], kRows x kColumns vectors, the list in order. One load
/// of a vector and nothing else goes with every fma, which bounds it at 80-90 % of the fma units' peak.
template <int kRows, int kColumns>
void accumulate(const NonZeros& list, const float* from, Index from_pitch, float* to, Index to_pitch) {
  Vec sums[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int k = 0; k < kColumns; ++k) sums[r][k] = load(to + r * to_pitch + k * kWidth);
  }
  for (int e = 0; e < list.count; ++e) {
    const Vec g = broadcast(list.gradient[e]);
    const float* f = from + list.offset[e];
    for (int r = 0; r < kRows; ++r) {
      for (int k = 0; k < kColumns; ++k)
        sums[r][k] = fma(g, load(f + r * from_pitch + k * kWidth), sums[r][k]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int k = 0; k < kColumns; ++k) store(to + r * to_pitch + k * kWidth, sums[r][k]);
  }
}

/// The same for a K x K kernel: at once where its sums fit the registers, else one after the other.
inline void accumulate_kernel(int kernel, const NonZeros& list, const float* from, Index from_pitch,
                              float* to, Index to_pitch) {
  if (kernel == 3) return accumulate<3, 3>(list, from, from_pitch, to, to_pitch);
  for (Index r = 0; r < kernel; ++r) {
    for (Index k = 0; k < kernel; ++k) {
      accumulate<1, 1>(list, from + r * from_pitch + k * kWidth, from_pitch, to + r * to_pitch + k * kWidth,
                       to_pitch);
    }
  }
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
