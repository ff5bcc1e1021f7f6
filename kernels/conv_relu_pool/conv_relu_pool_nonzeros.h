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

/// Vectors that hold one row of a kernel, K·C floats: in x, as in dx, the pixels of a row lie next to each
/// other.
inline int row_vectors(const ConvReluPoolShape& s) { return divide_up(s.kernel * s.in_channels, kWidth); }

/// Sums that a pass keeps in registers, of 16 or 32.
#if defined(__AVX512F__)
inline constexpr int kSums = 24;
#else
inline constexpr int kSums = 12;
#endif

/// to[r][v] += Σ_e gradient[e] · from[offset[e]][r][v], kRows x kVectors vectors, the list in order. With
/// every fma goes one load of a vector and nothing else, which bounds it at 90 % of the fma units' peak.
template <int kRows, int kVectors>
void accumulate(const NonZeros& list, const float* from, Index from_pitch, float* to, Index to_pitch) {
  if (list.count == 0) return;
  Vec sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = load(to + r * to_pitch + v * kWidth);
  }
  int e = 0;
  do {
    const Vec g = broadcast(list.gradient[e]);
    const float* f = from + list.offset[e];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = fma(g, load(f + r * from_pitch + v * kWidth), sums[r][v]);
    }
  } while (++e < list.count);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) store(to + r * to_pitch + v * kWidth, sums[r][v]);
  }
}

/// The part of a kernel whose sums fit the registers: some vectors of one row, or three short rows at once.
struct Pass {
  int row, vector;    // the first
  int rows, vectors;  // how many
  void (*accumulate)(const NonZeros& list, const float* from, Index from_pitch, float* to, Index to_pitch);
};

/// The pass that begins at `row` and `vector`: three rows where whole rows fit, else as much of one row as
/// fits.
inline Pass pass_at(int kernel, int vectors, int row, int vector) {
  if (row + 3 <= kernel && 3 * vectors <= kSums) {
    if (vectors == 1) return {row, 0, 3, 1, accumulate<3, 1>};
    if (vectors == 2) return {row, 0, 3, 2, accumulate<3, 2>};
    if (vectors == 3) return {row, 0, 3, 3, accumulate<3, 3>};
    if (vectors == 4) return {row, 0, 3, 4, accumulate<3, 4>};
    if (vectors == 6 && kSums == 24) return {row, 0, 3, 6, accumulate<3, kSums / 4>};
  }
  const int left = vectors - vector;
  if (left >= 12) return {row, vector, 1, 12, accumulate<1, 12>};
  if (left >= 8) return {row, vector, 1, 8, accumulate<1, 8>};
  if (left >= 4) return {row, vector, 1, 4, accumulate<1, 4>};
  if (left >= 2) return {row, vector, 1, 2, accumulate<1, 2>};
  return {row, vector, 1, 1, accumulate<1, 1>};
}

/// Calls body(pass) for the passes that make up a kernel.
template <class Body>
void for_each_pass(const ConvReluPoolShape& s, Body body) {
  const int vectors = row_vectors(s);
  for (int row = 0; row < s.kernel;) {
    int rows = 1;
    for (int vector = 0; vector < vectors;) {
      const Pass pass = pass_at(s.kernel, vectors, row, vector);
      body(pass);
      vector += pass.vectors;
      rows = pass.rows;
    }
    row += rows;
  }
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
