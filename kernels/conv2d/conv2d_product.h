#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/ptx.h"
#include "kernels/cuda/vectors.h"

/// The product that every pass of a convolution is, c[m][n] = Σ_k a[m][k]·b[k][n], by tiles of c.
/// A block of 128 threads computes a tile of c. Slices of a and b, some k deep, pass through shared memory,
/// two in flight (cp.async), lying there as they do in memory. A thread keeps 8x8 sums in registers and reads
/// 16 float4 of shared memory for 256 fma, without bank conflicts; of the instructions of the inner loops
/// that copy vectors, three in four are fma. Where a tile has fewer than 64 sums for each of the 128 threads,
/// the block's parts take their share of every slice, and are added up at the end, in order. All sums have a
/// fixed order: the same bits on every run. Memory is asked for (1/rows + 1/columns) elements per fma, by
/// rows and columns of a tile; what taps share comes from the first-level cache. What bounds a kernel is said
/// by its counts, of simt and of its machine code; no GPU has timed it yet.
namespace bauta::BAUTA_DEVICE {

inline constexpr int kConvThreads = 128;  // of a block

template <int kRows_, int kColumns_, int kDepth_>
struct ConvTile {
  static constexpr int kRows = kRows_;
  static constexpr int kColumns = kColumns_;
  static constexpr int kDepth = kDepth_;  // of a slice
  static constexpr int kPartThreads = kRows * kColumns / 64;
  static constexpr int kParts = kConvThreads / kPartThreads;
};

__device__ __forceinline__ int thread_of_block() { return static_cast<int>(threadIdx.x); }

/// How a slice of a matrix lies in shared memory: as rows along k, one for each line (row or column) of the
/// tile, or as rows across k.
enum class Lying { along_k, across_k };

/// A thread of a tile. It has the sums of 8x8 lines: four neighbours in each half of the tile.
template <class Tile>
struct TileThread {
  static constexpr int kAcross = Tile::kColumns / 8;

  int part = thread_of_block() / Tile::kPartThreads;
  int of_part = thread_of_block() % Tile::kPartThreads;
  int down = of_part / kAcross;
  int across = of_part % kAcross;

  __device__ __forceinline__ int row(int i) const { return down * 4 + i % 4 + i / 4 * (Tile::kRows / 2); }
  __device__ __forceinline__ int column(int i) const {
    return across * 4 + i % 4 + i / 4 * (Tile::kColumns / 2);
  }
};

/// A slice along k has every fourth line side by side, so that threads side by side read rows side by side,
/// whose banks differ; and a free row between such groups, so that neighbouring lines, written together,
/// differ too.
template <int kLines>
inline constexpr int kSliceGroup = kLines / 4 + 1;
template <int kLines>
inline constexpr int kSliceRows = 4 * kSliceGroup<kLines>;

/// The row of a slice along k that a line lies in.
template <int kLines>
__device__ __forceinline__ int slice_row(int line) {
  return line % 4 * kSliceGroup<kLines> + line / 4;
}

/// What thread `of` of kLines / 8 needs of a slice for four k: to[k][i] is of its i-th line.
template <Lying kLying, int kLines, class Slice>
__device__ __forceinline__ void load_fragment(float (&to)[4][8], Slice&& slice, int k, int of) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if constexpr (kLying == Lying::along_k) {
      const float4 v = load<float4>(&slice[i % 4 * kSliceGroup<kLines> + of + i / 4 * (kLines / 8)][k]);
      to[0][i] = v.x, to[1][i] = v.y, to[2][i] = v.z, to[3][i] = v.w;
    } else {
      const float4 v = load<float4>(&slice[k + i / 2][of * 4 + i % 2 * (kLines / 2)]);
      float(&half)[8] = to[i / 2];
      const int at = i % 2 * 4;
      half[at] = v.x, half[at + 1] = v.y, half[at + 2] = v.z, half[at + 3] = v.w;
    }
  }
}

using ConvSums = float[8][8];

/// Adds the thread's part of Σ_k a[row][k]·b[k][column] over one slice.
template <Lying kA, Lying kB, class Tile, class A, class B>
__device__ __forceinline__ void multiply_slice(A&& a, B&& b, const TileThread<Tile>& thread, ConvSums& sums) {
  constexpr int kShare = Tile::kDepth / Tile::kParts;
#pragma unroll
  for (int i = 0; i < kShare; i += 4) {
    const int first_k = thread.part * kShare + i;
    float as[4][8], bs[4][8];
    load_fragment<kA, Tile::kRows>(as, a, first_k, thread.down);
    load_fragment<kB, Tile::kColumns>(bs, b, first_k, thread.across);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int r = 0; r < 8; ++r) {
#pragma unroll
        for (int c = 0; c < 8; ++c) sums[r][c] = fmaf(as[k][r], bs[k][c], sums[r][c]);
      }
    }
  }
}

/// Adds the parts' sums to those of part 0, in order.
template <class Tile>
__device__ __forceinline__ void add_parts(const TileThread<Tile>& thread, ConvSums& sums) {
  __shared__ Shared<float, 64, Tile::kPartThreads> shares;
#pragma unroll 1
  for (int part = 1; part < Tile::kParts; ++part) {
    if (thread.part == part) {
#pragma unroll
      for (int i = 0; i < 64; ++i) shares[i][thread.of_part] = sums[i / 8][i % 8];
    }
    __syncthreads();
    if (thread.part == 0) {
#pragma unroll
      for (int i = 0; i < 64; ++i) sums[i / 8][i % 8] += shares[i][thread.of_part];
    }
    __syncthreads();
  }
}

/// The tile's product over k in [begin, end). copy(k, a, b) starts copying the slices at k, with zeros behind
/// the end.
template <Lying kA, Lying kB, class Tile, class A, class B, class Copy>
__device__ __forceinline__ void multiply(A&& a, B&& b, int begin, int end, const Copy& copy,
                                         const TileThread<Tile>& thread, ConvSums& sums) {
  const auto start = [&](int k, int stage) {
    if (k < end) copy(k, a[stage], b[stage]);
    cp_async_commit();
  };
  int stage = 0;
  start(begin, stage);
#pragma unroll 1
  for (int k = begin; k < end; k += Tile::kDepth) {
    start(k + Tile::kDepth, stage ^ 1);
    cp_async_wait<1>();
    __syncthreads();
    multiply_slice<kA, kB>(a[stage], b[stage], thread, sums);
    __syncthreads();
    stage ^= 1;
  }
  add_parts(thread, sums);
}

/// Reads four neighbouring channels, or the first `left` of them if they are no whole vector, and zeros.
template <int kVector>
__device__ __forceinline__ void load_channels(float (&to)[4], Ptr<const float> from, int left) {
  if constexpr (kVector == 4) {
    load_vector(to, from);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = i < left ? from[i] : 0.0F;
  }
}

/// Writes four neighbouring channels, or the first `left` of them if they are no whole vector.
template <int kVector>
__device__ __forceinline__ void store_channels(Ptr<float> to, const float (&values)[4], int left) {
  if constexpr (kVector == 4) {
    store_vector(to, values);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < left) to[i] = values[i];
    }
  }
}

/// Writes the tile's sums, four neighbouring columns or the `columns` - n that are left: those of row m to
/// to[offset(m)] and on, nowhere where that is negative. Part 0 has them all.
template <int kVector, class Tile, class Offset>
__device__ __forceinline__ void store_sums(const TileThread<Tile>& thread, const ConvSums& sums, int first_n,
                                           int columns, Ptr<float> to, const Offset& offset) {
  if (thread.part != 0) return;
#pragma unroll
  for (int r = 0; r < 8; ++r) {
    const Index row = offset(thread.row(r));
    if (row < 0) continue;
#pragma unroll
    for (int c = 0; c < 8; c += 4) {
      const int n = first_n + thread.column(c);
      if (n >= columns) continue;
      const float values[4] = {sums[r][c], sums[r][c + 1], sums[r][c + 2], sums[r][c + 3]};
      store_channels<kVector>(to + (row + n), values, columns - n);
    }
  }
}

}  // namespace bauta::BAUTA_DEVICE
