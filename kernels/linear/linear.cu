#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/fma_gemm.h"
#include "kernels/cuda/mma_gemm.h"
#include "kernels/linear/linear_backends.h"
#include "kernels/linear/linear_bias.h"
#include "kernels/linear/linear_few_outputs.h"
#include "kernels/relu/relu_passed.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// All three passes are one product, c[m][n] = Σ_k a[m][k]·b[k][n], of matrices that lie in memory one way or
// the other. Where the outputs are few, each has a kernel of its own.
struct GemmShape {
  int m, n, k;
};

// What a product's sums become on their way to c; null where there is none. relu_before is what a ReLU put
// out, of whose input c is then the gradient.
struct Epilogue {
  const float* bias = nullptr;         ///< [n]
  const float* relu_before = nullptr;  ///< [m][n]
  bool relu_after = false;             ///< c is the ReLU of that
};

// The sum as it goes to c; y is what `relu_before` has there, if there is one.
__device__ __forceinline__ float through_relus(float sum, Ptr<const float> relu_before, float y,
                                               bool relu_after) {
  if (relu_before) return passed(sum, y);
  return relu_after ? passed(sum, sum) : sum;
}

constexpr int kSumThreads = 128;  // of a block that only adds up

// sums[line] = Σ_k matrix[k][line], for `count` lines from `first` on, by the block's threads: 16 of a thread
// are on their way together.
__device__ __forceinline__ void add_up_lines(Ptr<const float> matrix, int depth, int lines, int first,
                                             int count, Ptr<float> sums) {
  const int end = min(first + count, lines);
  for (int line = first + static_cast<int>(threadIdx.x); line < end; line += static_cast<int>(blockDim.x)) {
    float sum = 0;
#pragma unroll 16
    for (int k = 0; k < depth; ++k) sum += matrix[Index{k} * lines + line];
    sums[line] = sum;
  }
}

// Tiles of c in each precision, for vectors of so many. A small batch has few tiles: so they are small, and
// in bf16 two slices are on their way; single floats would need too many registers for that.
struct FmaTiles {
  template <int>
  using Few = FmaTile<32, 32, 64>;
  template <int>
  using Many = FmaTile<128, 64, 16>;
};
struct MmaTiles {
  template <int kVector>
  using Few = MmaTile<32, 32, 128, 32, 16, kVector == 4 ? 2 : 1>;
  template <int>
  using Many = MmaTile<128, 64, 32, 64, 32>;
};
constexpr int kFewRows = 128;  // of c

// Few tiles would leave multiprocessors without a block, and each block waiting for slice after slice. So
// blocks share a tile's sums over k: as many as some hundred multiprocessors hold, two each, but with at
// least two slices for a block, which are waited for together.
constexpr int kMaxSplitKBlocks = 256;
template <class Tile>
SplitK split_k_of(const GemmShape& p) {
  const int tiles = ceil_div(p.m, Tile::kRows) * ceil_div(p.n, Tile::kColumns);
  const int slices = ceil_div(p.k, Tile::kDepth);
  const int blocks = std::min(kMaxSplitKBlocks / tiles, slices / 2);
  if (p.m > kFewRows || blocks < 2) return {1, p.k};
  const int share = ceil_div(slices, blocks);
  return {ceil_div(slices, share), share * Tile::kDepth};
}

// Blocks that a multiprocessor is to hold at once, which limits their registers.
template <int kVector, class Tile>
constexpr int kBlocks = kVector != 4        ? 1
                        : Tile::kAhead == 2 ? 2
                                            : 3;

// A matrix as an operand, from line `first` on: [lines][depth] if K-major, or else [depth][lines].
template <Major kMajor, class Tile, int kVector, int kTileLines>
__device__ __forceinline__ auto matrix_operand(Ptr<const float> matrix, int depth, int lines, int first) {
  if constexpr (kMajor == Major::k) {
    return k_major_operand<Tile, kVector, kTileLines>(matrix, depth, lines, first);
  } else {
    return mn_major_operand<Tile, kVector, kTileLines>(matrix, depth, lines, first);
  }
}

// The sums of a tile as they go to c. A wgrad has no ReLU.
template <int kVector, class Tile>
__device__ __forceinline__ void pass_relus(const GemmShape& p, const typename Tile::Thread& thread,
                                           typename Tile::Sums& sums, int first_m, int first_n,
                                           Ptr<const float> relu_before, bool relu_after) {
  if ((!relu_after && !relu_before) || thread.part != 0) return;
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
    const int m = first_m + thread.row(r);
    if (m >= p.m) continue;
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      const int n = first_n + thread.column(f);
      if (n >= p.n) continue;
      float ys[4] = {};
      if (relu_before) load_channels<kVector>(ys, relu_before + (Index{m} * p.n + n), p.n - n);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        sums[r][f][i] = through_relus(sums[r][f][i], relu_before, ys[i], relu_after);
    }
  }
}

/// A block computes a tile of c (gemm.h), over the z-th part of k (split-K): partial sums of c lie one
/// behind the other. Reads a n/columns times and b m/rows times, by the tile's sizes, mostly from L2,
/// in whole sectors; writes all partial sums once, and reads relu_before once. Where
/// a_sums is not null, the blocks of the first column also write Σ_k a[m][k] there, not rounded: a thread a
/// line, of which a is read once more.
///
/// The study's layer at batch 32, in tiles of 32x32: 18 MB for each of forward and dgrad, of which w is 8.4
/// MB, and 1 MB of partial sums, in 256 blocks that have 64 KB each on their way, in bf16 all of it together:
/// bound by memory and latency. Its wgrad, in 256 tiles of 128x64, reads 6.4 MB and writes 8.4: bound by
/// memory. Batch 2048: 4.3 G fma, 400 MB for each pass: in fp32 bound by fma, in bf16 by the cache, 73 µs of
/// an H100's, where its tensor cores would take 9.
template <Major kA, Major kB, int kVector, int kCVector, class Tile>
__global__ void __launch_bounds__(kGemmThreads, kBlocks<kVector, Tile>)
    gemm(GemmShape p, int depth, Global<const float> a, Global<const float> b, Global<const float> bias,
         Global<const float> relu_before, bool relu_after, Global<float> c, Global<float> a_sums) {
  constexpr bool kWgrad = kA == Major::mn;  // the only pass whose a is; it has no ReLU, and makes dbias
  alignas(16) __shared__ typename Tile::template A<kA> a_slices;
  alignas(16) __shared__ typename Tile::template B<kB> b_slices;
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto operand_a = matrix_operand<kA, Tile, kVector, Tile::kRows>(a, p.k, p.m, first_m);
  const auto operand_b = matrix_operand<kB, Tile, kVector, Tile::kColumns>(b, p.k, p.n, first_n);
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  const int begin = static_cast<int>(blockIdx.z) * depth;
  const int end = min(begin + depth, p.k);
  Tile::template multiply<kA, kB>(a_slices, b_slices, begin, end, operand_a, operand_b, thread, sums);
  add_biases<kCVector, Tile>(thread, sums, first_n, p.n, bias);
  if constexpr (!kWgrad)
    pass_relus<kCVector, Tile>(p, thread, sums, first_m, first_n, relu_before, relu_after);
  const Ptr<float> partial = c + Index{blockIdx.z} * p.m * p.n;
  store_sums<kCVector, Tile>(thread, sums, first_n, p.n, partial,
                             [&](int m) { return first_m + m < p.m ? Index{first_m + m} * p.n : Index{-1}; });
  if constexpr (kWgrad) {
    if (a_sums && blockIdx.y == 0 && blockIdx.z == 0) add_up_lines(a, p.k, p.m, first_m, Tile::kRows, a_sums);
  }
}

/// A thread adds up the partial sums of an element of c, in order, and its bias. Reads them once, eight of a
/// thread on their way together, relu_before once, and bias once for every row; writes c once. Bound by
/// latency.
__global__ void __launch_bounds__(kSumThreads)
    add_split_k(GemmShape p, int count, Global<const float> partial, Global<const float> bias,
                Global<const float> relu_before, bool relu_after, Global<float> c) {
  const int size = p.m * p.n;
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + thread_in_group();
  if (i >= size) return;
  float bias_i = 0;
  float y = 0;
  if (bias) bias_i = bias[i % p.n];
  if (relu_before) y = relu_before[i];
  float sum = 0;
#pragma unroll 8
  for (int part = 0; part < count; ++part) sum += partial[part * size + i];
  c[i] = through_relus(sum + bias_i, relu_before, y, relu_after);
}

/// One thread adds up a column of dy, beside a vendor's wgrad. Reads dy once, 128 bytes per warp and row, and
/// writes O sums.
__global__ void __launch_bounds__(kSumThreads)
    bias_gradient(LinearShape s, Global<const float> dy, Global<float> dbias) {
  const int first = static_cast<int>(blockIdx.x) * kSumThreads;
  add_up_lines(dy, s.batch, s.out_features, first, kSumThreads, dbias);
}

// Bytes in the sectors of a matrix [lines][depth] if K-major, or else [depth][lines], read row by row.
template <Major kMajor>
double matrix_bytes(int lines, int depth) {
  return kMajor == Major::k ? 32.0 * lines * ceil_div(depth, 8) : 32.0 * depth * ceil_div(lines, 8);
}

// Elements that an epilogue reads, each once.
double epilogue_size(const GemmShape& p, const Epilogue& last) {
  return (last.bias != nullptr ? p.n : 0) + (last.relu_before != nullptr ? double{1} * p.m * p.n : 0);
}

template <Major kA, Major kB, int kVector, int kCVector, class Tile>
Status launch_gemm(const Context& context, const char* name, const GemmShape& p, const SplitK& split,
                   const float* a, const float* b, const Epilogue& last, float* c, float* a_sums) {
  const dim3 grid = tiles_of<Tile>(p.m, p.n, split.blocks);
  const double a_size = double{1} * p.m * p.k;
  const double b_size = double{1} * p.n * p.k;
  const Index c_size = Index{split.blocks} * p.m * p.n;
  const double sums = a_sums != nullptr ? p.m : 0;
  const double rest = static_cast<double>(c_size) + epilogue_size(p, last) + sums;
  const double a_times = grid.y + (a_sums != nullptr ? 1 : 0);
  const Work work = {matrix_bytes<kA>(p.m, p.k) * a_times + matrix_bytes<kB>(p.n, p.k) * grid.x + 4 * rest,
                     4 * (a_size + b_size + rest), a_size * p.n};
  return launch(context, {name, grid, kGemmThreads, 0, work}, gemm<kA, kB, kVector, kCVector, Tile>, p,
                split.depth, global(a, Index{p.m} * p.k), global(b, Index{p.n} * p.k), global(last.bias, p.n),
                global(last.relu_before, Index{p.m} * p.n), last.relu_after, global(c, c_size),
                global(a_sums, p.m));
}

Status launch_add_split_k(const Context& context, const GemmShape& p, int count, const float* partial,
                          const Epilogue& last, float* c) {
  const Index size = Index{p.m} * p.n;
  const double floor = 4 * (static_cast<double>(size) * (count + 1) + epilogue_size(p, last));
  const double biases_again = last.bias != nullptr ? 4.0 * (p.m - 1) * p.n : 0;
  const Work work = {floor + biases_again, floor};
  const auto blocks = static_cast<unsigned>(ceil_div(p.m * p.n, kSumThreads));
  return launch(context, {"linear_sums", blocks, kSumThreads, 0, work}, add_split_k, p, count,
                global(partial, count * size), global(last.bias, p.n), global(last.relu_before, size),
                last.relu_after, global(c, size));
}

// With the tile that suits c, and whole vectors where the matrices have them.
template <class Tiles, Major kA, Major kB>
Status run_gemm_with(const Context& context, const char* name, const GemmShape& p, const float* a,
                     const float* b, const Epilogue& last, float* c, float* a_sums) {
  const SplitK split = split_k_of<typename Tiles::template Few<4>>(p);
  const bool splits_k = split.blocks > 1;
  // The epilogue is of whole sums: of split-K's it waits until they are added up.
  const Epilogue of_gemm = splits_k ? Epilogue{} : last;
  float* const to = splits_k ? reinterpret_cast<float*>(context.workspace.data()) : c;
  const bool vectors = (kA == Major::k ? p.k : p.m) % 4 == 0 && (kB == Major::k ? p.k : p.n) % 4 == 0;
  const auto run = [&]<template <int> class Tile, int kCVector>() {
    const auto launch_it =
        vectors ? launch_gemm<kA, kB, 4, kCVector, Tile<4>> : launch_gemm<kA, kB, 1, kCVector, Tile<1>>;
    return launch_it(context, name, p, split, a, b, of_gemm, to, a_sums);
  };
  const auto run_tile = [&]<template <int> class Tile>() {
    return p.n % 4 == 0 ? run.template operator()<Tile, 4>() : run.template operator()<Tile, 1>();
  };
  BAUTA_TRY(p.m <= kFewRows ? run_tile.template operator()<Tiles::template Few>()
                            : run_tile.template operator()<Tiles::template Many>());
  return splits_k ? launch_add_split_k(context, p, split.blocks, to, last, c) : Status{};
}

// In the context's precision.
template <Major kA, Major kB>
Status run_gemm(const Context& context, const char* name, const GemmShape& p, const float* a, const float* b,
                const Epilogue& last, float* c, float* a_sums) {
  const auto run = context.precision == Precision::bf16 ? run_gemm_with<MmaTiles, kA, kB>
                                                        : run_gemm_with<FmaTiles, kA, kB>;
  return run(context, name, p, a, b, last, c, a_sums);
}

Status forward(const Context& context, const LinearShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_forward(context, s, x, w, bias, y);
  const GemmShape p{s.batch, s.out_features, s.in_features};
  const Epilogue last{.bias = bias, .relu_after = s.relu_after};
  return run_gemm<Major::k, Major::k>(context, "linear_forward", p, x, w, last, y, nullptr);
}

Status dgrad(const Context& context, const LinearShape& s, const float* dy, const float* w, const float* x,
             float* dx) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_dgrad(context, s, dy, w, x, dx);
  const GemmShape p{s.batch, s.in_features, s.out_features};
  const Epilogue last{.relu_before = s.relu_before ? x : nullptr};
  return run_gemm<Major::k, Major::mn>(context, "linear_dgrad", p, dy, w, last, dx, nullptr);
}

// dbias is the sums of dy, which blocks of the first column of tiles add up. A GPU's order of summing is its
// own, whatever the shards: the batch is short, and a tile's sums stay in registers.
Status wgrad(const Context& context, const LinearShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_wgrad(context, s, x, dy, dw, dbias);
  const GemmShape p{s.out_features, s.in_features, s.batch};
  return run_gemm<Major::mn, Major::mn>(context, "linear_wgrad", p, dy, x, {}, dw, dbias);
}

// Of split-K's partial sums, the most that there may be: a smaller batch may have more, of fewer tiles.
template <class Tile>
std::size_t workspace_for(const GemmShape& p) {
  return split_k_of<Tile>(p).blocks > 1 ? sizeof(float) * kMaxSplitKBlocks * Tile::kRows * Tile::kColumns : 0;
}

std::size_t workspace(const Context& context, const LinearShape& s, Pass pass) {
  if (s.out_features <= kFewLinearOutputs) return 0;
  const GemmShape p = pass == Pass::forward ? GemmShape{1, s.out_features, s.in_features}
                      : pass == Pass::dgrad ? GemmShape{1, s.in_features, s.out_features}
                                            : GemmShape{s.out_features, s.in_features, s.batch};
  return context.precision == Precision::bf16 ? workspace_for<MmaTiles::Few<4>>(p)
                                              : workspace_for<FmaTiles::Few<4>>(p);
}

}  // namespace

Status launch_bias_gradient(const Context& context, const LinearShape& s, const float* dy, float* dbias) {
  const auto blocks = static_cast<unsigned>(ceil_div(s.out_features, kSumThreads));
  const Work work = {32.0 * (s.batch + 1) * ceil_div(s.out_features, 8),
                     4.0 * (s.batch + 1) * s.out_features};
  return launch(context, {"linear_bias_gradient", blocks, kSumThreads, 0, work}, bias_gradient, s,
                global(dy, s.y_size()), global(dbias, s.out_features));
}

const LinearBackend linear_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
