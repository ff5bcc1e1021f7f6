#pragma once

#include <utility>

#include "kernels/cuda/gemm.h"

/// The product on tensor cores (see gemm.h). A warp computes kWarpRows x kWarpColumns of its tile by
/// products of 16x8 with 16 k (mma.sync), whose fragments it takes from the slices with ldmatrix: for 64x32,
/// and 16 k, 6 ldmatrix feed 16 mma. The next slices, kAhead of them, are read into registers while the
/// present one is multiplied, and rounded and stored when it is their turn, so that a slice costs one
/// barrier. Rows of a slice are padded by 8 elements (kPad), to an odd multiple of 16 bytes, so that the
/// eight rows of an ldmatrix lie in different banks, as do those that half a warp writes at once. The tensor
/// cores of GPUs before sm_80 have no bf16: there these kernels trap, and whoever opens a GPU refuses bf16
/// on it.
namespace bauta::BAUTA_DEVICE {

/// 16 lines of a slice, from `line` on, by 16 k, as fragments. For an mma's a, the four matrices of 8 lines
/// by 8 k follow one another by lines first; for its b they do by k, so that fragments 0 and 1 are the first
/// eight lines' and 2 and 3 the others'.
template <Major kMajor, bool kOfB, class Slice>
__device__ __forceinline__ void load_lines(unsigned (&fragments)[4], Slice&& slice, int line, int k,
                                           int lane) {
  const int low = lane / 8 % 2 * 8;
  const int high = lane / 16 * 8;
  const int first_line = line + (kOfB ? high : low);
  const int first_k = k + (kOfB ? low : high);
  if constexpr (kMajor == Major::k) {
    ldmatrix_x4(fragments, &slice[first_line + lane % 8][first_k]);
  } else {
    ldmatrix_x4<true>(fragments, &slice[first_k + lane % 8][first_line]);
  }
}

/// Adds to a row of the warp's sums the products of 16 lines by its columns over 16 k.
template <class Tile>
__device__ __forceinline__ void multiply_row(const unsigned (&as)[4],
                                             const unsigned (&bs)[Tile::kSumFours / 2][4],
                                             float (&sums)[Tile::kSumFours][4]) {
#pragma unroll
  for (int f = 0; f < Tile::kSumFours; ++f) {
    const unsigned of_f[2] = {bs[f / 2][f % 2 * 2], bs[f / 2][f % 2 * 2 + 1]};
    mma_m16n8k16(sums[f], as, of_f);
  }
}

/// Adds the part's share of Σ_k a[row][k]·b[k][column] over one slice to the warp's sums, as mma has them.
template <Major kA, Major kB, class Tile, class A, class B>
__device__ __forceinline__ void multiply_slice(A&& a, B&& b, const typename Tile::Thread& thread,
                                               typename Tile::Sums& sums) {
  constexpr int kShare = Tile::kDepth / Tile::kParts;
#pragma unroll
  for (int i = 0; i < kShare; i += 16) {
    const int k = thread.part * kShare + i;
    unsigned as[Tile::kSumRows][4], bs[Tile::kSumFours / 2][4];
#pragma unroll
    for (int r = 0; r < Tile::kSumRows; ++r)
      load_lines<kA, false>(as[r], a, thread.warp_row + 16 * r, k, thread.lane);
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; f += 2)
      load_lines<kB, true>(bs[f / 2], b, thread.warp_column + 8 * f, k, thread.lane);
#pragma unroll
    for (int r = 0; r < Tile::kSumRows; ++r) multiply_row<Tile>(as[r], bs, sums[r]);
  }
}

/// What the warp's sums, as mma has them, begin with: the bias of their column; bias may be null, and counts
/// as zeros. There is an even number of columns.
template <class Tile>
__device__ __forceinline__ void begin_with_biases(const typename Tile::Thread& thread, int first_n,
                                                  int columns, Ptr<const float> bias,
                                                  typename Tile::Sums& sums) {
#pragma unroll
  for (int f = 0; f < Tile::kSumFours; ++f) {
    const int n = first_n + thread.warp_column + 8 * f + thread.lane % 4 * 2;
    const float2 biases = bias && n < columns ? load<float2>(bias + n) : make_float2(0, 0);
#pragma unroll
    for (int r = 0; r < Tile::kSumRows; ++r) {
      sums[r][f][0] = sums[r][f][2] = biases.x;
      sums[r][f][1] = sums[r][f][3] = biases.y;
    }
  }
}

/// From two columns of two rows, as an mma has them, to four columns of one row: lanes side by side exchange
/// halves.
__device__ __forceinline__ void exchange_halves(int lane, float (&c)[4]) {
  const bool odd = lane % 2 == 1;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float other = __shfl_xor_sync(~0U, odd ? c[i] : c[2 + i], 1);
    c[2 + i] = odd ? c[2 + i] : other;
    c[i] = odd ? other : c[i];
  }
}

/// All of a thread's sums from mma's layout to row(r) and column(f).
template <class Tile>
__device__ __forceinline__ void gather_fours(int lane, typename Tile::Sums& sums) {
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) exchange_halves(lane, sums[r][f]);
  }
}

/// A thread's vectors of an operand's slice, between memory and shared memory.
template <class Operand>
class Staged {
 public:
  __device__ __forceinline__ void fetch(const Operand& operand, int k) {
    if (!operand.moves) return;
    const auto from = operand.from(k);
#pragma unroll
    for (int i = 0; i < ThreadMap::kCount; ++i) vectors_[i] = from(ThreadMap::row(i)).fetch();
  }
  template <class Slice>
  __device__ __forceinline__ void put(const Operand& operand, Slice&& slice) const {
    if (!operand.moves) return;
#pragma unroll
    for (int i = 0; i < ThreadMap::kCount; ++i)
      vectors_[i].put(slice, ThreadMap::row(i), ThreadMap::column());
  }

 private:
  using ThreadMap = typename Operand::ThreadMap;
  using Vector = decltype(std::declval<Operand>().from(0)(0).fetch());

  Vector vectors_[ThreadMap::kCount];
};

/// kAhead_: 2 where blocks are too few for others to compute while one waits for memory, and registers are
/// left.
template <int kRows_, int kColumns_, int kDepth_, int kWarpRows_, int kWarpColumns_, int kAhead_ = 1,
          int kThreads_ = kGemmThreads>
struct MmaTile {
  static constexpr int kThreads = kThreads_;  // of a block
  static constexpr int kRows = kRows_;
  static constexpr int kColumns = kColumns_;
  static constexpr int kDepth = kDepth_;  // of a slice
  static constexpr int kWarpRows = kWarpRows_;
  static constexpr int kWarpColumns = kWarpColumns_;
  static constexpr int kAhead = kAhead_;
  static constexpr int kAcross = kColumns / kWarpColumns;
  static constexpr int kPartThreads = kRows / kWarpRows * kAcross * 32;
  static constexpr int kParts = kThreads / kPartThreads;
  static constexpr int kSumRows = kWarpRows / 16;
  static constexpr int kSumFours = kWarpColumns / 8;
  static constexpr int kStoreColumns = 8;  // of a row, that a warp stores at once
  /// Of a thread's registers, those with vectors on their way and with sums.
  static constexpr int kRegisters =
      kAhead * (kRows + kColumns) * kDepth / kThreads + kSumRows * kSumFours * 4;
  static constexpr bool kManyRegisters = kRegisters >= 80;
  static_assert(kDepth % (16 * kParts) == 0 && kWarpRows % 16 == 0 && kWarpColumns % 16 == 0);

  using Sums = float[kSumRows][kSumFours][4];

  static constexpr int kPad = 8;
  template <Major kMajor>
  using A =
      Shared<bf16, 2, kMajor == Major::k ? kRows : kDepth, (kMajor == Major::k ? kDepth : kRows) + kPad>;
  template <Major kMajor>
  using B = Shared<bf16, 2, kMajor == Major::k ? kColumns : kDepth,
                   (kMajor == Major::k ? kDepth : kColumns) + kPad>;

  /// A thread's first row of a slice whose rows are written by kLanes threads each. Those that half a warp
  /// writes at once are as far apart, of eight, as can be.
  template <int kLanes>
  __device__ __forceinline__ static int first_row(int row) {
    constexpr int kAtOnce = at_once(kLanes);
    return row / 8 * 8 + row % kAtOnce * (8 / kAtOnce) + row % 8 / kAtOnce;
  }
  static constexpr int at_once(int lanes) { return lanes < 16 ? 16 / lanes : 1; }

  /// The tile's rows in the order in which the four of a thread are neighbours.
  __device__ __forceinline__ static int in_fours(int row) {
    static_assert(kSumRows == 4);
    return row / 64 * 64 + row % 16 * 4 + row % 64 / 16;
  }

  struct Thread {
    int part = thread_in_group() / kPartThreads;
    int thread_in_part = thread_in_group() % kPartThreads;
    int lane = thread_in_group() % 32;
    int warp_row = thread_in_part / 32 / kAcross * kWarpRows;
    int warp_column = thread_in_part / 32 % kAcross * kWarpColumns;

    __device__ __forceinline__ int row(int r) const { return warp_row + r * 16 + lane % 2 * 8 + lane / 4; }
    __device__ __forceinline__ int column(int f) const { return warp_column + f * 8 + lane % 4 / 2 * 4; }
  };

  /// The tile's product over k in [begin, end).
  template <Major kA, Major kB, class ASlices, class BSlices, class OperandA, class OperandB>
  __device__ __forceinline__ static void multiply(ASlices&& a_slices, BSlices&& b_slices, int begin, int end,
                                                  const OperandA& operand_a, const OperandB& operand_b,
                                                  const Thread& thread, Sums& sums) {
    Staged<OperandA> a[kAhead];
    Staged<OperandB> b[kAhead];
    const auto fetch = [&](int i, int k) {
      if (k < end) a[i].fetch(operand_a, k), b[i].fetch(operand_b, k);
    };
    const auto put = [&](int i, int k, int stage) {
      if (k < end) a[i].put(operand_a, a_slices[stage]), b[i].put(operand_b, b_slices[stage]);
    };
#pragma unroll
    for (int i = 0; i < kAhead; ++i) fetch(i, begin + i * kDepth);
    put(0, begin, 0);
    __syncthreads();
    int stage = 0;
#pragma unroll 1
    for (int k = begin; k < end; k += kAhead * kDepth) {
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int at = k + i * kDepth;
        if (i > 0 && at >= end) break;
        fetch(i, at + kAhead * kDepth);
        multiply_slice<kA, kB, MmaTile>(a_slices[stage], b_slices[stage], thread, sums);
        stage ^= 1;
        put((i + 1) % kAhead, at + kDepth, stage);
        __syncthreads();
      }
    }
    gather_fours<MmaTile>(thread.lane, sums);
    add_parts<MmaTile>(thread, sums);
  }
};

}  // namespace bauta::BAUTA_DEVICE
