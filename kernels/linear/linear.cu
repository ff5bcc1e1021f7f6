#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/mma_product.h"
#include "kernels/cuda/ptx.h"
#include "kernels/linear/linear_backends.h"
#include "kernels/linear/linear_bias.h"
#include "kernels/linear/linear_few_outputs.h"
#include "kernels/relu/relu_passed.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// All three passes are one product, c[m][n] = Σ_k a[m][k]·b[k][n], of matrices that lie in memory one way or
// the other. Where the outputs are few, each has a kernel of its own.
struct Product {
  int m, n, k;
  bool relu_after = false;  ///< c is the ReLU of that
};

// What a product's sums become on their way to c, but for Product::relu_after; null where there is none.
struct Epilogue {
  const float* bias = nullptr;  ///< [n]
  const float* relu = nullptr;  ///< [m][n], what a ReLU put out: c is the gradient of what went into it
};

// The sum as it goes to c; y is what `relu` has there, if there is one.
__device__ __forceinline__ float through_relus(const Product& p, float sum, Ptr<const float> relu, float y) {
  if (relu) return passed(sum, y);
  return p.relu_after ? passed(sum, sum) : sum;
}

constexpr int kSumThreads = 128;  // of a block that only adds up

// sums[line] = Σ_k matrix[k][line], for `count` lines from `first` on, by the block's threads.
__device__ __forceinline__ void add_up_lines(Ptr<const float> matrix, int depth, int lines, int first,
                                             int count, Ptr<float> sums) {
  const int end = min(first + count, lines);
  for (int line = first + static_cast<int>(threadIdx.x); line < end; line += static_cast<int>(blockDim.x)) {
    float sum = 0;
    for (int k = 0; k < depth; ++k) sum += matrix[Index{k} * lines + line];
    sums[line] = sum;
  }
}

constexpr int kWarps = 8;   // of a block
constexpr int kTileM = 16;  // of c, by one warp: 4x8 lanes of 4x4 sums
constexpr int kTileN = 32;
constexpr int kSlice = 8;  // of k, that is in shared memory at a time
constexpr int kPad = 4;    // keeps float4s aligned, and four rows of k away from one another's banks

// Starts copying rows [row, row + kRows) of a slice of k into tile[k][row]; what lies outside the matrix
// becomes zero. kByRows: the matrix is [rows][k], eight lanes take a sector of a row; otherwise it is
// [k][rows], lanes go along it.
template <bool kByRows, int kRows, class Tile>
__device__ __forceinline__ void copy_slice(Tile&& tile, Ptr<const float> matrix, int rows, int depth, int row,
                                           int k, int lane) {
#pragma unroll
  for (int i = 0; i < kRows * kSlice; i += 32) {
    const int to_row = kByRows ? (i + lane) / kSlice : (i + lane) % kRows;
    const int to_k = kByRows ? (i + lane) % kSlice : (i + lane) / kRows;
    const int from_row = row + to_row;
    const int from_k = k + to_k;
    const bool inside = from_row < rows && from_k < depth;
    const Index from = kByRows ? Index{from_row} * depth + from_k : Index{from_k} * rows + from_row;
    cp_async<4>(&tile[to_k][to_row], matrix + (inside ? from : 0), inside ? 4 : 0);
  }
}

__device__ __forceinline__ void multiply_add(float4& sum, float a, const float4& b) {
  sum.x = fmaf(a, b.x, sum.x);
  sum.y = fmaf(a, b.y, sum.y);
  sum.z = fmaf(a, b.z, sum.z);
  sum.w = fmaf(a, b.w, sum.w);
}

/// One warp computes a 16x32 tile of c, or its share of the sum over k: the 8 warps of a block are kSplit
/// neighbours in k by 8/kSplit neighbours in n. A warp has slices of its own in shared memory, two in flight
/// (cp.async), and waits for nobody until the end, when the block adds the shares up in a fixed order: the
/// same bits on every run. Reads a n/32 times and b m/16 times, in whole sectors, from the second-level cache
/// when they fit there; writes c once. Per 16 fma a lane reads two float4 of shared memory, which is what
/// limits it when k and m are large. The study's layer at batch 32: each pass asks the cache for 25 MB, and
/// moves 8.4 MB of w or dw to or from memory: bound by cache and latency rather than by fma (134 MFLOP).
/// Where `relu` is not null, it is read once. Where a_sums is not null, the blocks of the first n also write
/// Σ_k a[m][k] there, and read a once more.
template <bool kAByRows, bool kBByRows, int kSplit>
__global__ void __launch_bounds__(kWarps * 32)
    product(Product p, Global<const float> a, Global<const float> b, Global<const float> bias,
            Global<const float> relu, Global<float> c, Global<float> a_sums) {
  alignas(16) __shared__ Shared<float, kWarps, 2, kSlice, kTileM + kPad> a_slices;
  alignas(16) __shared__ Shared<float, kWarps, 2, kSlice, kTileN + kPad> b_slices;
  alignas(16) __shared__ Shared<float, kWarps, kTileM, kTileN> shares;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int part = warp % kSplit;
  const int m = static_cast<int>(blockIdx.y) * kTileM;
  const int n = (static_cast<int>(blockIdx.x) * (kWarps / kSplit) + warp / kSplit) * kTileN;

  const auto copy = [&](int k, int stage) {
    if (k < p.k) {
      copy_slice<kAByRows, kTileM>(a_slices[warp][stage], a, p.m, p.k, m, k, lane);
      copy_slice<kBByRows, kTileN>(b_slices[warp][stage], b, p.n, p.k, n, k, lane);
    }
    cp_async_commit();
  };
  float4 sums[4] = {};
  const int row = lane / 8 * 4;
  const int column = lane % 8 * 4;
  int stage = 0;
  copy(part * kSlice, stage);
  for (int k = part * kSlice; k < p.k; k += kSplit * kSlice) {
    copy(k + kSplit * kSlice, stage ^ 1);
    cp_async_wait<1>();
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kSlice; ++i) {
      const float4 as = load<float4>(&a_slices[warp][stage][i][row]);
      const float4 bs = load<float4>(&b_slices[warp][stage][i][column]);
      multiply_add(sums[0], as.x, bs);
      multiply_add(sums[1], as.y, bs);
      multiply_add(sums[2], as.z, bs);
      multiply_add(sums[3], as.w, bs);
    }
    __syncwarp();
    stage ^= 1;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) store(&shares[warp][row + i][column], sums[i]);
  __syncthreads();

  // The tiles of the block lie side by side; a warp writes rows of 32 neighbours.
  constexpr int kTiles = kWarps / kSplit;
  for (int i = warp; i < kTiles * kTileM; i += kWarps) {
    const int tile = i / kTileM;
    const int to_m = m + i % kTileM;
    const int to_n = (static_cast<int>(blockIdx.x) * kTiles + tile) * kTileN + lane;
    if (to_m >= p.m || to_n >= p.n) continue;
    float sum = 0;
#pragma unroll
    for (int s = 0; s < kSplit; ++s) sum += shares[tile * kSplit + s][i % kTileM][lane];
    if (bias) sum += bias[to_n];
    const Index to = Index{to_m} * p.n + to_n;
    float y = 0;
    if (relu) y = relu[to];
    c[to] = through_relus(p, sum, relu, y);
  }
  if constexpr (!kAByRows) {
    if (a_sums && blockIdx.x == 0) add_up_lines(a, p.k, p.m, m, kTileM, a_sums);
  }
}

// Tiles of the product on tensor cores, for vectors of so many. A small batch leaves few of them, so that its
// are small, and two slices are on their way; of single floats these would take too many registers.
template <int kVector>
using MmaTileOfFew = MmaTile<32, 32, 128, 32, 16, kVector == 4 ? 2 : 1>;
template <int>
using MmaTileOfMany = MmaTile<128, 64, 32, 64, 32>;
constexpr int kFewRows = 128;  // of c

// Few tiles would leave multiprocessors without a block, and each block waiting for slice after slice. So
// blocks share a tile's sums over k: as many as some hundred multiprocessors hold, two each, but with at
// least two slices for a block, which are waited for together.
constexpr int kMostSharingBlocks = 256;
struct Split {
  int blocks;  // that share a tile
  int depth;   // of k, for each of them
};
Split split_of(const Product& p) {
  using Tile = MmaTileOfFew<4>;
  const int tiles = ceil_div(p.m, Tile::kRows) * ceil_div(p.n, Tile::kColumns);
  const int slices = ceil_div(p.k, Tile::kDepth);
  const int blocks = std::min(kMostSharingBlocks / tiles, slices / 2);
  if (p.m > kFewRows || blocks < 2) return {1, p.k};
  const int share = ceil_div(slices, blocks);
  return {ceil_div(slices, share), share * Tile::kDepth};
}

// Blocks that a multiprocessor is to hold at once, which limits their registers.
template <int kVector, class Tile>
constexpr int kMmaBlocks = kVector != 4        ? 1
                           : Tile::kAhead == 2 ? 2
                                               : 3;

// A matrix as an operand, from line `first` on: [lines][depth] if kByRows, or else [depth][lines].
template <bool kByRows, class Tile, int kVector, int kTileLines>
__device__ __forceinline__ auto matrix_operand(Ptr<const float> matrix, int depth, int lines, int first) {
  if constexpr (kByRows) {
    return along_operand<Tile, kVector, kTileLines>(matrix, depth, lines, first);
  } else {
    return across_operand<Tile, kVector, kTileLines>(matrix, depth, lines, first);
  }
}

// The sums of a tile as they go to c. A wgrad has no ReLU.
template <int kVector, class Tile>
__device__ __forceinline__ void pass_relus(const Product& p, const typename Tile::Thread& thread,
                                           typename Tile::Sums& sums, int first_m, int first_n,
                                           Ptr<const float> relu) {
  if ((!p.relu_after && !relu) || thread.part != 0) return;
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
    const int m = first_m + thread.row(r);
    if (m >= p.m) continue;
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      const int n = first_n + thread.column(f);
      if (n >= p.n) continue;
      float ys[4] = {};
      if (relu) load_channels<kVector>(ys, relu + (Index{m} * p.n + n), p.n - n);
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[r][f][i] = through_relus(p, sums[r][f][i], relu, ys[i]);
    }
  }
}

/// The same product in bf16, on tensor cores (mma_product.h): a block computes a tile of c, over its share of
/// k, the z-th: shares of c lie one behind the other. Reads a n/columns times and b m/rows times, by the
/// tile's sizes, mostly from the second-level cache, in whole sectors; writes every share of c once. The
/// study's layer at batch 32, in tiles of 32x32: 17 MB for each of forward and dgrad, of which w is 8.4 MB,
/// and 1 MB of shares, in 256 blocks that have 64 KB each on their way and wait once: bound by memory and
/// latency. Its wgrad, in 256 tiles of 128x64, reads 6.4 MB and writes 8.4: bound by memory. Batch 2048: 4.3
/// G products, 400 MB for each pass, 73 µs from the cache of an H100, where its tensor cores would take 9.
/// relu and a_sums as above, not rounded.
template <bool kAByRows, bool kBByRows, int kVector, int kCVector, class Tile>
__global__ void __launch_bounds__(kProductThreads, kMmaBlocks<kVector, Tile>)
    mma_product(Product p, int depth, Global<const float> a, Global<const float> b, Global<const float> bias,
                Global<const float> relu, Global<float> c, Global<float> a_sums) {
  constexpr Lying kA = kAByRows ? Lying::along_k : Lying::across_k;
  constexpr Lying kB = kBByRows ? Lying::along_k : Lying::across_k;
  alignas(16) __shared__ typename Tile::template A<kA> a_slices;
  alignas(16) __shared__ typename Tile::template B<kB> b_slices;
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto of_a = matrix_operand<kAByRows, Tile, kVector, Tile::kRows>(a, p.k, p.m, first_m);
  const auto of_b = matrix_operand<kBByRows, Tile, kVector, Tile::kColumns>(b, p.k, p.n, first_n);
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  const int begin = static_cast<int>(blockIdx.z) * depth;
  const int end = min(begin + depth, p.k);
  Tile::template multiply<kA, kB>(a_slices, b_slices, begin, end, of_a, of_b, thread, sums);
  add_biases<kCVector, Tile>(thread, sums, first_n, p.n, bias);
  if constexpr (kAByRows) pass_relus<kCVector, Tile>(p, thread, sums, first_m, first_n, relu);
  const Ptr<float> share = c + Index{blockIdx.z} * p.m * p.n;
  store_sums<kCVector, Tile>(thread, sums, first_n, p.n, share,
                             [&](int m) { return first_m + m < p.m ? Index{first_m + m} * p.n : Index{-1}; });
  if constexpr (!kAByRows) {
    if (a_sums && blockIdx.y == 0 && blockIdx.z == 0) add_up_lines(a, p.k, p.m, first_m, Tile::kRows, a_sums);
  }
}

/// A thread adds up the shares of an element of c, in order, and its bias. Reads the shares once, eight of a
/// thread on their way together, relu once, and bias once for every row; writes c once. Bound by latency.
__global__ void __launch_bounds__(kSumThreads)
    add_up_shares(Product p, int count, Global<const float> shares, Global<const float> bias,
                  Global<const float> relu, Global<float> c) {
  const int size = p.m * p.n;
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + thread_of_block();
  if (i >= size) return;
  float of_bias = 0;
  float y = 0;
  if (bias) of_bias = bias[i % p.n];
  if (relu) y = relu[i];
  float sum = 0;
#pragma unroll 8
  for (int share = 0; share < count; ++share) sum += shares[share * size + i];
  c[i] = through_relus(p, sum + of_bias, relu, y);
}

/// One thread adds up a column of dy, beside a vendor's wgrad. Reads dy once, 128 bytes per warp and row, and
/// writes O sums.
__global__ void __launch_bounds__(kSumThreads)
    bias_gradient(LinearShape s, Global<const float> dy, Global<float> dbias) {
  const int first = static_cast<int>(blockIdx.x) * kSumThreads;
  add_up_lines(dy, s.batch, s.out_features, first, kSumThreads, dbias);
}

// Bytes in the sectors of a matrix [lines][depth], or [depth][lines], that is read row by row.
template <bool kByRows>
double matrix_bytes(int lines, int depth) {
  return kByRows ? 32.0 * lines * ceil_div(depth, 8) : 32.0 * depth * ceil_div(lines, 8);
}

// Elements that an epilogue reads, each once.
double epilogue_size(const Product& p, const Epilogue& last) {
  return (last.bias != nullptr ? p.n : 0) + (last.relu != nullptr ? double{1} * p.m * p.n : 0);
}

template <bool kAByRows, bool kBByRows, int kVector, int kCVector, class Tile>
Status launch_mma_product(const Context& context, const char* name, const Product& p, const Split& split,
                          const float* a, const float* b, const Epilogue& last, float* c, float* a_sums) {
  const dim3 grid = tiles_of<Tile>(p.m, p.n, split.blocks);
  const double a_size = double{1} * p.m * p.k;
  const double b_size = double{1} * p.n * p.k;
  const Index c_size = Index{split.blocks} * p.m * p.n;
  const double sums = a_sums != nullptr ? p.m : 0;
  const double rest = static_cast<double>(c_size) + epilogue_size(p, last) + sums;
  const double a_times = grid.y + (a_sums != nullptr ? 1 : 0);
  const Work work = {
      matrix_bytes<kAByRows>(p.m, p.k) * a_times + matrix_bytes<kBByRows>(p.n, p.k) * grid.x + 4 * rest,
      4 * (a_size + b_size + rest), a_size * p.n};
  return launch(context, {name, grid, kProductThreads, 0, work},
                mma_product<kAByRows, kBByRows, kVector, kCVector, Tile>, p, split.depth,
                global(a, Index{p.m} * p.k), global(b, Index{p.n} * p.k), global(last.bias, p.n),
                global(last.relu, Index{p.m} * p.n), global(c, c_size), global(a_sums, p.m));
}

Status launch_add_up_shares(const Context& context, const Product& p, int count, const float* shares,
                            const Epilogue& last, float* c) {
  const Index size = Index{p.m} * p.n;
  const double floor = 4 * (static_cast<double>(size) * (count + 1) + epilogue_size(p, last));
  const double biases_again = last.bias != nullptr ? 4.0 * (p.m - 1) * p.n : 0;
  const Work work = {floor + biases_again, floor};
  const auto blocks = static_cast<unsigned>(ceil_div(p.m * p.n, kSumThreads));
  return launch(context, {"linear_sums", blocks, kSumThreads, 0, work}, add_up_shares, p, count,
                global(shares, count * size), global(last.bias, p.n), global(last.relu, size),
                global(c, size));
}

// With the tile that suits c, and whole vectors where the matrices have them.
template <bool kAByRows, bool kBByRows>
Status run_mma_product(const Context& context, const char* name, const Product& p, const float* a,
                       const float* b, const Epilogue& last, float* c, float* a_sums) {
  const Split split = split_of(p);
  const bool shared = split.blocks > 1;
  // Shares are no more than sums: what becomes of these waits until they are added up.
  Product now = p;
  now.relu_after = p.relu_after && !shared;
  const Epilogue last_now = shared ? Epilogue{} : last;
  float* const to = shared ? reinterpret_cast<float*>(context.workspace.data()) : c;
  const bool vectors = (kAByRows ? p.k : p.m) % 4 == 0 && (kBByRows ? p.k : p.n) % 4 == 0;
  const auto run = [&]<template <int> class Tile, int kCVector>() {
    const auto product = vectors ? launch_mma_product<kAByRows, kBByRows, 4, kCVector, Tile<4>>
                                 : launch_mma_product<kAByRows, kBByRows, 1, kCVector, Tile<1>>;
    return product(context, name, now, split, a, b, last_now, to, a_sums);
  };
  const auto run_tile = [&]<template <int> class Tile>() {
    return p.n % 4 == 0 ? run.template operator()<Tile, 4>() : run.template operator()<Tile, 1>();
  };
  BAUTA_TRY(p.m <= kFewRows ? run_tile.template operator()<MmaTileOfFew>()
                            : run_tile.template operator()<MmaTileOfMany>());
  return shared ? launch_add_up_shares(context, p, split.blocks, to, last, c) : Status{};
}

// In the context's precision; in fp32, kSplit warps share the sum over k.
template <bool kAByRows, bool kBByRows, int kSplit>
Status run_product(const Context& context, const char* name, const Product& p, const float* a, const float* b,
                   const Epilogue& last, float* c, float* a_sums) {
  if (context.precision == Precision::bf16)
    return run_mma_product<kAByRows, kBByRows>(context, name, p, a, b, last, c, a_sums);
  constexpr int kTiles = kWarps / kSplit;
  const dim3 grid(static_cast<unsigned>(ceil_div(p.n, kTileN * kTiles)),
                  static_cast<unsigned>(ceil_div(p.m, kTileM)));
  const double a_size = double{1} * p.m * p.k;
  const double b_size = double{1} * p.n * p.k + (last.bias != nullptr ? p.n : 0);
  const double relu_size = last.relu != nullptr ? double{1} * p.m * p.n : 0;
  const double c_size = double{1} * p.m * p.n + (a_sums != nullptr ? p.m : 0);
  const double a_times = grid.x * kTiles + (a_sums != nullptr ? 1 : 0);
  const Work work = {4 * (a_size * a_times + b_size * grid.y + relu_size + c_size),
                     4 * (a_size + b_size + relu_size + c_size), a_size * p.n};
  return launch(context, {name, grid, kWarps * 32, 0, work}, product<kAByRows, kBByRows, kSplit>, p,
                global(a, Index{p.m} * p.k), global(b, Index{p.n} * p.k), global(last.bias, p.n),
                global(last.relu, Index{p.m} * p.n), global(c, Index{p.m} * p.n), global(a_sums, p.m));
}

Status forward(const Context& context, const LinearShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_forward(context, s, x, w, bias, y);
  const Product p{s.batch, s.out_features, s.in_features, s.relu_after};
  return run_product<true, true, kWarps>(context, "linear_forward", p, x, w, {.bias = bias}, y, nullptr);
}

Status dgrad(const Context& context, const LinearShape& s, const float* dy, const float* w, const float* x,
             float* dx) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_dgrad(context, s, dy, w, x, dx);
  const Product p{s.batch, s.in_features, s.out_features};
  const Epilogue last{.relu = s.relu_before ? x : nullptr};
  return run_product<true, false, kWarps>(context, "linear_dgrad", p, dy, w, last, dx, nullptr);
}

// dbias is the sums of dy, which blocks of the first column of tiles add up. A GPU sums in the order of n,
// whatever the shards: the batch is short, and a tile's sums stay in registers.
Status wgrad(const Context& context, const LinearShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  if (s.out_features <= kFewLinearOutputs) return launch_few_wgrad(context, s, x, dy, dw, dbias);
  const Product p{s.out_features, s.in_features, s.batch};
  return run_product<false, false, 1>(context, "linear_wgrad", p, dy, x, {}, dw, dbias);
}

// Of the shares that blocks leave, the most that there may be: a smaller batch may have more, of fewer tiles.
std::size_t workspace(const Context& context, const LinearShape& s, Pass pass) {
  if (context.precision == Precision::fp32 || s.out_features <= kFewLinearOutputs) return 0;
  const Product p = pass == Pass::forward ? Product{1, s.out_features, s.in_features}
                    : pass == Pass::dgrad ? Product{1, s.in_features, s.out_features}
                                          : Product{s.out_features, s.in_features, s.batch};
  using Tile = MmaTileOfFew<4>;
  return split_of(p).blocks > 1 ? sizeof(float) * kMostSharingBlocks * Tile::kRows * Tile::kColumns : 0;
}

}  // namespace

Status launch_bias_gradient(const Context& context, const LinearShape& s, const float* dy, float* dbias) {
  const auto blocks = static_cast<unsigned>(ceil_div(s.out_features, kSumThreads));
  const Work work = {32.0 * (s.batch + 1) * ceil_div(s.out_features, 8),
                     4.0 * (s.batch + 1) * s.out_features};
  return launch(context, {"linear_bias_gradient", blocks, kSumThreads, 0, work}, bias_gradient, s,
                global(dy, Index{s.batch} * s.out_features), global(dbias, s.out_features));
}

const LinearBackend linear_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
