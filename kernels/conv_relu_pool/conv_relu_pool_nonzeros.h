#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_layout.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

/// What reaches the winners of kWidth neighbouring channels at one pooled position.
struct WinnerGradients {
  Vec gradient;  // zero where the ReLU is off and behind the last channel
  IntVec at;     // the winner's position in its window, 2·row + column
};

/// The argmax bits of kWidth channels.
#if defined(__AVX512F__)
using WinnerBits = std::uint32_t;
#elif defined(__AVX2__)
using WinnerBits = std::uint16_t;
#else
using WinnerBits = std::uint8_t;
#endif

/// Reads `lanes` channels (kWidth where there are more); argmax points at the byte of the first, a multiple
/// of 4.
inline WinnerGradients read_winners(const float* dy, const float* y, const std::uint8_t* argmax, int lanes) {
  IntVec twice_lane;
  for (int lane = 0; lane < kWidth; ++lane) twice_lane[lane] = 2 * lane;
  WinnerBits bits = 0;
  Vec dys, ys;
  if (lanes >= kWidth) {
    std::memcpy(&bits, argmax, sizeof bits);
    dys = load(dy);
    ys = load(y);
  } else {
    std::memcpy(&bits, argmax, static_cast<std::size_t>(ceil_div(lanes, 4)));
    dys = load_partial(dy, lanes);
    ys = load_partial(y, lanes);
  }
  return {ys > zero() ? dys : zero(), ((static_cast<std::int32_t>(bits) - IntVec{}) >> twice_lane) & 3};
}

#if defined(__AVX2__) && !defined(__AVX512F__)
/// Row m: the numbers of the bits that are set in m, in order.
struct SetBits {
  constexpr SetBits() {
    for (int mask = 0; mask < 256; ++mask) {
      int count = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if (mask >> bit & 1) lanes[mask][count++] = static_cast<std::uint8_t>(bit);
      }
    }
  }
  std::uint8_t lanes[256][8] = {};
};
inline constexpr SetBits kSetBits;
#endif

/// Writes the lanes of `gradient` and `offset` that `mask` picks, in order, and returns how many; what it
/// writes behind them, up to a whole vector, means nothing.
inline int compress(IntVec mask, Vec gradient, IntVec offset, float* gradients, std::int32_t* offsets) {
#if defined(__AVX512F__)
  const __mmask16 lanes = _mm512_movepi32_mask(__m512i(mask));
  store(gradients, Vec(_mm512_maskz_compress_ps(lanes, __m512(gradient))));
  _mm512_storeu_si512(offsets, _mm512_maskz_compress_epi32(lanes, __m512i(offset)));
  return __builtin_popcount(lanes);
#elif defined(__AVX2__)
  const auto lanes = static_cast<unsigned>(_mm256_movemask_ps(__m256(mask)));
  const __m256i order =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSetBits.lanes[lanes])));
  _mm256_storeu_ps(gradients, _mm256_permutevar8x32_ps(__m256(gradient), order));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(offsets),
                      _mm256_permutevar8x32_epi32(__m256i(offset), order));
  return __builtin_popcount(lanes);
#else
  int count = 0;
  for (int lane = 0; lane < kWidth; ++lane) {
    gradients[count] = gradient[lane];
    offsets[count] = offset[lane];
    count -= mask[lane];
  }
  return count;
#endif
}

/// Interleaves the lanes of a and b: their lower halves, and their upper halves.
template <class V>
void interleave(V& a, V& b) {
  const V x = a;
  const V y = b;
#if defined(__AVX512F__)
  a = __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  b = __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif defined(__AVX2__)
  a = __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
  b = __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  a = __builtin_shufflevector(x, y, 0, 4, 1, 5);
  b = __builtin_shufflevector(x, y, 2, 6, 3, 7);
#endif
}

/// Rows become columns: log2(kWidth) rounds, each of which interleaves the upper half of the rows with the
/// lower.
template <class V>
void transpose(V (&rows)[kWidth]) {
  constexpr int kHalf = kWidth / 2;
  for (int round = 1; round < kWidth; round *= 2) {
    V next[kWidth];
    for (int i = 0; i < kHalf; ++i) {
      next[2 * i] = rows[i];
      next[2 * i + 1] = rows[i + kHalf];
      interleave(next[2 * i], next[2 * i + 1]);
    }
    for (int i = 0; i < kWidth; ++i) rows[i] = next[i];
  }
}

/// A list of non-zero gradients, each with the place of what it multiplies.
struct NonZeros {
  const float* gradient;
  const std::int32_t* offset;  // in floats
  int count;
};

/// Vectors that hold one row of a kernel, K·C floats: in x, as in dx, the pixels of a row lie next to each
/// other.
inline int row_vectors(const ConvReluPoolShape& s) { return ceil_div(s.kernel * s.in_channels, kWidth); }

/// Sums that a part keeps in registers, of 16 or 32.
#if defined(__AVX512F__)
inline constexpr int kSums = 24;
#else
inline constexpr int kSums = 12;
#endif

/// to[r][v] += Σ_e gradient[e] · from[offset[e]][r][v], kRows x kVectors vectors, the list in order. With
/// every fma goes one load of a vector, and with every element of the list two more (14 loads for 12 fma, 26
/// for 24 with AVX-512): at most about 90 % of the fma units' peak, less where loads cross cache lines.
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
struct Part {
  int row, vector;    // the first
  int rows, vectors;  // how many
  void (*accumulate)(const NonZeros& list, const float* from, Index from_pitch, float* to, Index to_pitch);
};

/// Vectors of the longest part within one row.
inline constexpr int kLongestPart = 12;

/// The part that begins at `row` and `vector`: three whole rows where there is a kernel for as many
/// vectors, else as much of one row as there is one for.
inline Part part_at(int kernel, int vectors, int row, int vector) {
  if (row + 3 <= kernel && 3 * vectors <= kSums) {
    if (vectors == 1) return {row, 0, 3, 1, accumulate<3, 1>};
    if (vectors == 2) return {row, 0, 3, 2, accumulate<3, 2>};
    if (vectors == 3) return {row, 0, 3, 3, accumulate<3, 3>};
    if (vectors == 4) return {row, 0, 3, 4, accumulate<3, 4>};
#if defined(__AVX512F__)
    if (vectors == 6) return {row, 0, 3, 6, accumulate<3, 6>};
#endif
  }
  const int left = vectors - vector;
  if (left >= kLongestPart) return {row, vector, 1, kLongestPart, accumulate<1, kLongestPart>};
  if (left >= 8) return {row, vector, 1, 8, accumulate<1, 8>};
  if (left >= 4) return {row, vector, 1, 4, accumulate<1, 4>};
  if (left >= 2) return {row, vector, 1, 2, accumulate<1, 2>};
  return {row, vector, 1, 1, accumulate<1, 1>};
}

/// Calls body(part) for the parts that make up a kernel.
template <class Body>
void for_each_part(const ConvReluPoolShape& s, Body body) {
  const int vectors = row_vectors(s);
  for (int row = 0; row < s.kernel;) {
    int rows = 1;
    for (int vector = 0; vector < vectors;) {
      const Part part = part_at(s.kernel, vectors, row, vector);
      body(part);
      vector += part.vectors;
      rows = part.rows;
    }
    row += rows;
  }
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
