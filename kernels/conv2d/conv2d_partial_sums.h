#pragma once

#include <algorithm>

#include "kernels/conv2d/conv2d_patches.h"

/// What wgrad's blocks leave for each other: every one of them, sums over its share of the positions.
namespace bauta::BAUTA_DEVICE {

/// Warps of a block that adds up what so many blocks left: one for each sixteen, if there are no more than
/// sixteen times sixteen.
inline constexpr int kMostSummingWarps = 16;
inline int summing_warps(int blocks) { return std::min(ceil_div(blocks, 16), kMostSummingWarps); }

/// A warp adds up what its share of the blocks left for 32 neighbouring elements of dw, or of dbias behind
/// it; then the first warp adds up the shares. All in order: the same bits on every run. Reads partial once,
/// 128 bytes per warp and block of the split: bound by the second-level cache, where it lies, and by its
/// latency, which eight reads of a thread wait for together.
template <int kMostWarps>
__global__ void __launch_bounds__(kMostWarps * 32)
    add_partial_sums(int blocks, int weights, int biases, Global<const float> partial, Global<float> dw,
                     Global<float> dbias) {
  __shared__ Shared<float, kMostWarps, 32> shares;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int warp = thread_of_block() / 32;
  const int lane = thread_of_block() % 32;
  const int i = static_cast<int>(blockIdx.x) * 32 + lane;
  const bool inside = i < weights + biases;
  const int share = ceil_div(blocks, warps);
  const int end = inside ? min((warp + 1) * share, blocks) : 0;
  float sum = 0;
#pragma unroll 8
  for (int block = warp * share; block < end; ++block) sum += partial[Index{block} * (weights + biases) + i];
  shares[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || !inside) return;
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

inline Status launch_add_partial_sums(const Context& context, const char* name, const Work& work,
                                      const Conv2dShape& s, const float* partial, float* dw, float* dbias) {
  const int blocks = wgrad_split_blocks(context.precision, s);
  const int weights = (wgrad_rows(s) - 1) * s.out_channels;
  const auto grid = static_cast<unsigned>(ceil_div(weights + s.out_channels, 32));
  const auto threads = static_cast<unsigned>(32 * summing_warps(blocks));
  return launch(context, {name, grid, threads, 0, work}, add_partial_sums<kMostSummingWarps>, blocks, weights,
                s.out_channels, global(partial, partial_sums(context.precision, s)), global(dw, weights),
                global(dbias, s.out_channels));
}

}  // namespace bauta::BAUTA_DEVICE
