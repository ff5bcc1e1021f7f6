#pragma once

#include <algorithm>

#include "kernels/conv2d/conv2d_patches.h"

/// What wgrad's blocks leave for each other: every one of them, sums over its share of the positions.
namespace bauta::BAUTA_DEVICE {

/// One thread adds up what the blocks left for one element of dw, or of dbias behind it, in order. Reads
/// partial once, 128 bytes per warp and block of the split: bound by the second-level cache, where it lies.
template <int kThreads>
__global__ void __launch_bounds__(kThreads)
    add_partial_sums(int blocks, int weights, int biases, Global<const float> partial, Global<float> dw,
                     Global<float> dbias) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + thread_of_block();
  if (i >= weights + biases) return;
  float sum = 0;
#pragma unroll 8
  for (int block = 0; block < blocks; ++block) sum += partial[Index{block} * (weights + biases) + i];
  if (i < weights) {
    dw[i] = sum;
  } else {
    dbias[i - weights] = sum;
  }
}

/// Blocks that leave partial sums of an element.
inline int wgrad_split_blocks(Precision precision, const Conv2dShape& s) {
  if (wgrad_has_patches(precision, s)) return wgrad_patch_blocks(s, Patches(s.batch, s.out_h, s.out_w));
  return with_wgrad_tile(precision, s, [&]<class Tile>() { return wgrad_split<Tile>(s).blocks; });
}

inline Index partial_sums(Precision precision, const Conv2dShape& s) {
  return Index{wgrad_split_blocks(precision, s)} * wgrad_rows(s) * s.out_channels;
}

/// Bytes of wgrad's workspace, in either precision.
inline std::size_t wgrad_workspace(const Conv2dShape& s) {
  const Index sums = std::max(partial_sums(Precision::fp32, s), partial_sums(Precision::bf16, s));
  return static_cast<std::size_t>(sums) * sizeof(float);
}

inline Status launch_add_partial_sums(const Context& context, const char* name, const Work& work,
                                      const Conv2dShape& s, const float* partial, float* dw, float* dbias) {
  constexpr int kThreads = 128;
  const int weights = (wgrad_rows(s) - 1) * s.out_channels;
  const auto grid = static_cast<unsigned>(ceil_div(weights + s.out_channels, kThreads));
  return launch(context, {name, grid, kThreads, 0, work}, add_partial_sums<kThreads>,
                wgrad_split_blocks(context.precision, s), weights, s.out_channels,
                global(partial, partial_sums(context.precision, s)), global(dw, weights),
                global(dbias, s.out_channels));
}

}  // namespace bauta::BAUTA_DEVICE
