#pragma once

#include "kernels/cuda/gemm.h"

/// The product in fp32 (see gemm.h). A thread keeps 8x8 sums in registers and reads 16 float4 of shared
/// memory for 256 fma, without bank conflicts; of the instructions of the inner loops that copy vectors,
/// 63 to 87 % are fma. Memory is asked for (1/rows + 1/columns) elements per fma, by rows and columns of a
/// tile; what taps share comes from L2 where vectors are copied (cp.async.cg bypasses L1), and from L1 where
/// single floats are (.ca). What a GPU took: docs/performance.md.
namespace bauta::BAUTA_DEVICE {

/// A K-major slice has every fourth line side by side, so that threads side by side read rows side by side,
/// whose banks differ; and a free row between such groups, so that neighbouring lines, written together,
/// differ too.
template <int kLines>
inline constexpr int kSliceGroup = kLines / 4 + 1;
template <int kLines>
inline constexpr int kSliceRows = 4 * kSliceGroup<kLines>;

/// The row of a K-major slice that a line lies in.
template <int kLines>
__device__ __forceinline__ int slice_row(int line) {
  return line % 4 * kSliceGroup<kLines> + line / 4;
}

/// What thread `of` of kLines / 8 needs of a slice for four k: to[k][i] is of its i-th line.
template <Major kMajor, int kLines, class Slice>
__device__ __forceinline__ void load_fragment(float (&to)[4][8], Slice&& slice, int k, int of) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if constexpr (kMajor == Major::k) {
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

/// Starts copying a thread's vectors of the slice at k.
template <Major kMajor, int kLines, class Of, class Slice>
__device__ __forceinline__ void start_copy(const Of& of, int k, Slice&& slice) {
  using ThreadMap = typename Of::ThreadMap;
  if (!of.moves) return;
  const auto from = of.from(k);
#pragma unroll 2
  for (int i = 0; i < ThreadMap::kCount; ++i) {
    const int row = ThreadMap::row(i);
    from(row).copy(slice, kMajor == Major::k ? slice_row<kLines>(row) : row, ThreadMap::column());
  }
}

template <int kRows_, int kColumns_, int kDepth_>
struct FmaTile {
  static constexpr int kThreads = kGemmThreads;
  static constexpr int kRows = kRows_;
  static constexpr int kColumns = kColumns_;
  static constexpr int kDepth = kDepth_;  // of a slice
  static constexpr int kAhead = 1;        // slices on their way while one is multiplied
  static constexpr int kPartThreads = kRows * kColumns / 64;
  static constexpr int kParts = kThreads / kPartThreads;
  static constexpr int kSumRows = 8;
  static constexpr int kSumFours = 2;
  static constexpr int kStoreColumns = kColumns / 2;  // of a row, that a warp stores at once
  static constexpr bool kManyRegisters = false;

  using Sums = float[kSumRows][kSumFours][4];

  // Of a K-major b, a quarter of a warp reads four or eight neighbouring rows at once: four floats more than
  // kDepth put them into different banks. Of a it reads one or two, whose banks differ anyway, unless kDepth
  // is a multiple of 32.
  template <Major kMajor>
  using A = Shared<float, 2, kMajor == Major::k ? kSliceRows<kRows> : kDepth,
                   kMajor == Major::mn ? kRows
                   : kDepth % 32 == 0  ? kDepth + 4
                                       : kDepth>;
  template <Major kMajor>
  using B = Shared<float, 2, kMajor == Major::k ? kSliceRows<kColumns> : kDepth,
                   kMajor == Major::k ? kDepth + 4 : kColumns>;

  /// A thread's first row of a slice whose rows are written by kLanes threads each.
  template <int kLanes>
  __device__ __forceinline__ static int first_row(int row) {
    return row;
  }

  /// The tile's rows in the order in which each four of a thread are neighbours.
  __device__ __forceinline__ static int in_fours(int row) { return row; }

  /// It has the sums of 8x8 lines: four neighbours in each half of the tile.
  struct Thread {
    static constexpr int kAcross = kColumns / 8;

    int part = thread_in_group() / kPartThreads;
    int thread_in_part = thread_in_group() % kPartThreads;
    int down = thread_in_part / kAcross;
    int across = thread_in_part % kAcross;

    __device__ __forceinline__ int row(int r) const { return down * 4 + r % 4 + r / 4 * (kRows / 2); }
    __device__ __forceinline__ int column(int f) const { return across * 4 + f * (kColumns / 2); }
  };

  /// Adds the thread's part of Σ_k a[row][k]·b[k][column] over one slice.
  template <Major kA, Major kB, class ASlice, class BSlice>
  __device__ __forceinline__ static void multiply_slice(ASlice&& a, BSlice&& b, const Thread& thread,
                                                        Sums& sums) {
    constexpr int kShare = kDepth / kParts;
#pragma unroll
    for (int i = 0; i < kShare; i += 4) {
      const int first_k = thread.part * kShare + i;
      float as[4][8], bs[4][8];
      load_fragment<kA, kRows>(as, a, first_k, thread.down);
      load_fragment<kB, kColumns>(bs, b, first_k, thread.across);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int r = 0; r < 8; ++r) {
#pragma unroll
          for (int c = 0; c < 8; ++c) {
            float& sum = sums[r][c / 4][c % 4];
            sum = fmaf(as[k][r], bs[k][c], sum);
          }
        }
      }
    }
  }

  /// The tile's product over k in [begin, end).
  template <Major kA, Major kB, class ASlices, class BSlices, class OperandA, class OperandB>
  __device__ __forceinline__ static void multiply(ASlices&& a, BSlices&& b, int begin, int end,
                                                  const OperandA& operand_a, const OperandB& operand_b,
                                                  const Thread& thread, Sums& sums) {
    const auto start = [&](int k, int stage) {
      if (k < end) {
        start_copy<kA, kRows>(operand_a, k, a[stage]);
        start_copy<kB, kColumns>(operand_b, k, b[stage]);
      }
      cp_async_commit();
    };
    int stage = 0;
    start(begin, stage);
#pragma unroll 1
    for (int k = begin; k < end; k += kDepth) {
      start(k + kDepth, stage ^ 1);
      cp_async_wait<1>();
      __syncthreads();
      multiply_slice<kA, kB>(a[stage], b[stage], thread, sums);
      __syncthreads();
      stage ^= 1;
    }
    add_parts<FmaTile>(thread, sums);
  }
};

}  // namespace bauta::BAUTA_DEVICE
