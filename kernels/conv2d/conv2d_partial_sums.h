#pragma once

#include <algorithm>

#include "kernels/conv2d/conv2d_patches.h"
#include "kernels/cuda/warp.h"

/// The partial sums that wgrad's blocks leave, each over its share of the positions, and the kernel that adds
/// them up.
namespace bauta::BAUTA_DEVICE {

inline constexpr int kMaxSummingWarps = 16;
inline constexpr int kSumsOfAThread = 16;  // that it adds up, if the warps suffice

/// Warps of a block that adds up what so many blocks left for kColumns elements each.
template <int kColumns>
int summing_warps(int blocks) {
  return std::min(ceil_div(ceil_div(blocks, kSumsOfAThread) * kColumns, 32), kMaxSummingWarps);
}

/// A thread adds up what its share of the blocks left for an element of dw, or of dbias behind it, kColumns
/// neighbouring ones in a block: whole sectors. Shares are added up in the warp, by a butterfly, and then by
/// the first warp. All in order: the same bits on every run. Reads partial once, from L2: bound by its
/// latency. With 8 columns a block, a thread has all its loads in flight at once; with 32, where elements are
/// many, it waits twice, as fewer registers let more blocks run. With 8, the launch bounds ask for one block:
/// without that nvcc has each sum wait for the one before (sm_90).
template <int kColumns>
__global__ void __launch_bounds__(kMaxSummingWarps * 32, kColumns < 32 ? 1 : 0)
    add_partial_sums(int blocks, int weights, int biases, Global<const float> partial, Global<float> dw,
                     Global<float> dbias) {
  constexpr int kAtOnce = kColumns < 32 ? kSumsOfAThread : kSumsOfAThread / 2;
  __shared__ Shared<float, kMaxSummingWarps, kColumns> shares;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int warp = thread_in_group() / 32;
  const int lane = thread_in_group() % 32;
  const int i = static_cast<int>(blockIdx.x) * kColumns + lane % kColumns;
  const bool inside = i < weights + biases;
  const int share = ceil_div(blocks, warps * (32 / kColumns));
  const int begin = thread_in_group() / kColumns * share;
  const int end = inside ? min(begin + share, blocks) : 0;
  float sum = 0;
#pragma unroll 1
  for (int first = begin; first < end; first += kAtOnce) {
    float values[kAtOnce] = {};
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      if (first + k < end) values[k] = partial[Index{first + k} * (weights + biases) + i];
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) sum += values[k];
  }
  sum = warp_sum<kColumns>(sum);
  if (lane < kColumns) shares[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || lane >= kColumns || !inside) return;
  for (int other = 1; other < warps; ++other) sum += shares[other][lane];
  if (i < weights) {
    dw[i] = sum;
  } else {
    dbias[i - weights] = sum;
  }
}

/// Blocks that leave partial sums of an element.
inline int wgrad_split_blocks(Precision precision, const Conv2dShape& s) {
  if (wgrad_has_patches(precision, s))
    return wgrad_patch_blocks(s, Patches(s.batch, s.out_h, s.out_w, s.in_channels));
  return with_wgrad_tile(precision, s, [&]<class Tile>() { return wgrad_split<Tile>(s).blocks; });
}

inline Index partial_sums(Precision precision, const Conv2dShape& s) {
  return Index{wgrad_split_blocks(precision, s)} * wgrad_rows(s) * s.out_channels;
}

/// Bytes of wgrad's workspace, with which smaller batches run, too: some of them leave more sums.
inline std::size_t wgrad_workspace(Precision precision, const Conv2dShape& s) {
  const int blocks =
      wgrad_has_patches(precision, s)
          ? wgrad_split_blocks(precision, s)
          : with_wgrad_tile(precision, s, [&]<class Tile>() { return most_wgrad_blocks<Tile>(s); });
  return static_cast<std::size_t>(Index{blocks} * wgrad_rows(s) * s.out_channels) * sizeof(float);
}

template <int kColumns>
Status launch_add_partial_sums(const Context& context, const char* name, const Work& work,
                               const Conv2dShape& s, const float* partial, float* dw, float* dbias) {
  const int blocks = wgrad_split_blocks(context.precision, s);
  const int weights = (wgrad_rows(s) - 1) * s.out_channels;
  const auto grid = static_cast<unsigned>(ceil_div(weights + s.out_channels, kColumns));
  const auto threads = static_cast<unsigned>(32 * summing_warps<kColumns>(blocks));
  return launch(context, {name, grid, threads, 0, work}, add_partial_sums<kColumns>, blocks, weights,
                s.out_channels, global(partial, partial_sums(context.precision, s)), global(dw, weights),
                global(dbias, s.out_channels));
}

/// A block takes a sector's 8 columns where a warp's 32 would leave multiprocessors without a block.
inline Status run_add_partial_sums(const Context& context, const char* name, const Work& work,
                                   const Conv2dShape& s, const float* partial, float* dw, float* dbias) {
  constexpr int kSomeMultiprocessors = 128;
  const bool few = wgrad_rows(s) * s.out_channels < 32 * kSomeMultiprocessors;
  return few ? launch_add_partial_sums<8>(context, name, work, s, partial, dw, dbias)
             : launch_add_partial_sums<32>(context, name, work, s, partial, dw, dbias);
}

}  // namespace bauta::BAUTA_DEVICE
