#pragma once

#include <algorithm>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/warp.h"
#include "kernels/linear/linear.h"
#include "kernels/relu/relu_passed.h"

/// The passes of a layer of few outputs, such as a network's last. Each float of x or dx that is moved has
/// few products: memory is what such a layer waits for, and at a small batch the latency of it. So both
/// precisions have these kernels, which multiply in fp32: tensor cores, and rounding for them, would gain
/// nothing. They come for up to 2 outputs and for up to kFewLinearOutputs, s.out_features of which exist.
namespace bauta::BAUTA_DEVICE {

inline constexpr int kMaxFewForwardWarps = 4;  // of a block
inline constexpr int kFewDgradThreads = 128;
inline constexpr int kMaxFewWgradWarps = 16;

/// A warp takes a sample, and its lanes every 32nd vector of it and of the rows of w. A lane has up to
/// 24 vectors on their way at once (18 with more than two outputs), which for 1024 inputs and two outputs are
/// all. Lanes add up their share in order,
/// and then one another's in a butterfly: the same bits on every run. Reads x once and w for every sample,
/// from the caches, in whole rows; writes y once. Bound by latency while the samples are few, the study's 32
/// lying in as many blocks, and by memory when they are many.
template <int kOutputs, int kVector>
__global__ void __launch_bounds__(kMaxFewForwardWarps * 32, 4)
    few_forward(LinearShape s, Global<const float> x, Global<const float> w, Global<const float> bias,
                Global<float> y) {
  constexpr int kAtOnce = 24 / (1 + kOutputs);
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int n = static_cast<int>(blockIdx.x) * warps + thread_in_group() / 32;
  const int lane = thread_in_group() % 32;
  if (n >= s.batch) return;
  float y_lane = 0;  // y[n][lane]
  if (lane < s.out_features) y_lane = bias[lane];

  float sums[kOutputs] = {};
  for (int k = lane * kVector; k < s.in_features; k += kAtOnce * 32 * kVector) {
    Values<kVector> xs[kAtOnce], ws[kOutputs][kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int at = k + i * 32 * kVector;
      const bool inside = at < s.in_features;
      xs[i] = Address<kVector>{x, Index{n} * s.in_features + at, inside}.fetch();
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        const bool exists = inside && o < s.out_features;
        ws[o][i] = Address<kVector>{w, Index{o} * s.in_features + at, exists}.fetch();
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
        for (int v = 0; v < kVector; ++v) sums[o] = fmaf(xs[i].values[v], ws[o][i].values[v], sums[o]);
      }
    }
  }
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) {
    const float sum = warp_sum(sums[o]);
    if (lane == o) y_lane += sum;
  }
  if (s.relu_after) y_lane = passed(y_lane, y_lane);
  if (lane < s.out_features) y[Index{n} * s.out_features + lane] = y_lane;
}

/// A thread takes a vector of a row of dx, and reads what it needs for that at once. Outputs are added up in
/// order. Reads dy and w for every sample, from the caches, and x once if a ReLU put it out; writes dx once.
/// Bound by latency while the samples are few, and by memory when they are many.
template <int kOutputs, int kVector>
__global__ void __launch_bounds__(kFewDgradThreads)
    few_dgrad(LinearShape s, Global<const float> dy, Global<const float> w, Global<const float> x,
              Global<float> dx) {
  const int n = static_cast<int>(blockIdx.x);
  const int i = (static_cast<int>(blockIdx.y) * kFewDgradThreads + thread_in_group()) * kVector;
  if (i >= s.in_features) return;
  const Index at = Index{n} * s.in_features + i;
  const Values<kVector> relu_y = Address<kVector>{x, at, s.relu_before}.fetch();
  float gradients[kOutputs] = {};
  Values<kVector> ws[kOutputs];
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) {
    if (o < s.out_features) gradients[o] = dy[Index{n} * s.out_features + o];
    ws[o] = Address<kVector>{w, Index{o} * s.in_features + i, o < s.out_features}.fetch();
  }
  float sums[kVector] = {};
#pragma unroll
  for (int v = 0; v < kVector; ++v) {
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) sums[v] = fmaf(gradients[o], ws[o].values[v], sums[v]);
    if (s.relu_before) sums[v] = passed(sums[v], relu_y.values[v]);
  }
  store_vector(dx + at, sums);
}

/// A lane of few_wgrad. kLanes of a warp take a vector each of a row of x, in whole sectors, and there are
/// kRows neighbouring rows, whose gradients 32 lanes can hold.
template <int kOutputs, int kVector>
struct FewWgradLane {
  static constexpr int kLanes = kVector == 1 ? 32 : kOutputs;
  static constexpr int kColumns = kLanes * kVector;  // of a block
  static constexpr int kRows = 32 / kLanes;
  static constexpr int kAtOnce = kOutputs > 2 ? 4 : 8;  // times so many rows are on their way
  static_assert(kRows * kOutputs <= 32 && kColumns % 8 == 0);

  int index = thread_in_group() % 32;
  int row = index / kLanes;
  int column = index % kLanes * kVector;
  float sums[kOutputs][kVector + 1] = {};  ///< the last is dbias's

  /// Adds its rows' part of samples [begin, end), at its column from first_i on. The whole warp reads the
  /// gradients of its rows side by side, and lanes take them from one another.
  __device__ __forceinline__ void add_rows(const LinearShape& s, Ptr<const float> x, Ptr<const float> dy,
                                           int begin, int end, int first_i) {
    const int i = first_i + column;
    Values<kVector> xs[kAtOnce];
    float gradients[kAtOnce] = {};
#pragma unroll
    for (int r = 0; r < kAtOnce; ++r) {
      const int first = begin + r * kRows;
      const int n = first + row;
      const bool inside = n < end && i < s.in_features;
      xs[r] = Address<kVector>{x, Index{n} * s.in_features + i, inside}.fetch();
      const int count = min(end - first, kRows) * s.out_features;
      if (index < count) gradients[r] = dy[Index{first} * s.out_features + index];
    }
#pragma unroll
    for (int r = 0; r < kAtOnce; ++r) {
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        const float gradient = __shfl_sync(~0U, gradients[r], row * s.out_features + o);
#pragma unroll
        for (int v = 0; v < kVector; ++v) sums[o][v] = fmaf(gradient, xs[r].values[v], sums[o][v]);
        sums[o][kVector] += gradient;
      }
    }
  }

  /// Adds up the sums of the warp's rows: every row has them then.
  __device__ __forceinline__ void add_up_rows() {
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
      for (int v = 0; v <= kVector; ++v) sums[o][v] = warp_sum<kLanes>(sums[o][v]);
    }
  }

  /// Writes the warp's sums: share[o][column], dbias behind the last column.
  template <class Share>
  __device__ __forceinline__ void put(Share&& share) const {
    if (row > 0) return;
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
      for (int v = 0; v < kVector; ++v) share[o][column + v] = sums[o][v];
      if (column == 0) share[o][kColumns] = sums[o][kVector];
    }
  }
};

/// A block takes neighbouring inputs, 8 of them where there are two outputs: the study's 1024 make 128
/// blocks. Its warps share the batch, and the rows of a warp its part of that. The rows' sums are added up in
/// a butterfly and the warps' in order: the same bits on every run. dbias is one more column, which every
/// block has and the first writes. Reads x once, and dy once per block, in whole sectors; writes dw once.
/// Bound by latency: with up to two outputs, and whole vectors, 128 samples of a warp and 2048 of a block
/// wait for memory once, with more outputs 16 and 256. Beyond that, by memory.
template <int kOutputs, int kVector>
__global__ void __launch_bounds__(kMaxFewWgradWarps * 32, 1)
    few_wgrad(LinearShape s, Global<const float> x, Global<const float> dy, Global<float> dw,
              Global<float> dbias) {
  using Lane = FewWgradLane<kOutputs, kVector>;
  constexpr int kSums = Lane::kColumns + 1;  // of an output
  __shared__ Shared<float, kMaxFewWgradWarps, kOutputs, kSums> shares;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int warp = thread_in_group() / 32;
  const int first_i = static_cast<int>(blockIdx.x) * Lane::kColumns;
  const int share = ceil_div(ceil_div(s.batch, Lane::kRows), warps) * Lane::kRows;
  const int begin = warp * share;
  const int end = min(begin + share, s.batch);

  Lane lane;
  for (int n = 0; n < share; n += Lane::kAtOnce * Lane::kRows)  // as often in all warps: lanes shuffle
    lane.add_rows(s, x, dy, begin + n, end, first_i);
  lane.add_up_rows();
  lane.put(shares[warp]);
  __syncthreads();

#pragma unroll 1
  for (int i = thread_in_group(); i < s.out_features * kSums; i += static_cast<int>(blockDim.x)) {
    const int o = i / kSums;
    const int column = i % kSums;
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += shares[w][o][column];
    if (column == Lane::kColumns) {
      if (blockIdx.x == 0) dbias[o] = sum;
    } else if (first_i + column < s.in_features) {
      dw[Index{o} * s.in_features + first_i + column] = sum;
    }
  }
}

/// run<kOutputs, kVector>() with those that suit the layer.
template <class Run>
Status with_few_outputs(const LinearShape& s, const Run& run) {
  const bool vectors = s.in_features % 4 == 0;
  if (s.out_features <= 2) return vectors ? run.template operator()<2, 4>() : run.template operator()<2, 1>();
  return vectors ? run.template operator()<kFewLinearOutputs, 4>()
                 : run.template operator()<kFewLinearOutputs, 1>();
}

inline Status launch_few_forward(const Context& context, const LinearShape& s, const float* x, const float* w,
                                 const float* bias, float* y) {
  const int warps = std::min(ceil_div(s.batch, 256), kMaxFewForwardWarps);
  const auto x_size = static_cast<double>(s.x_size());
  const auto w_size = static_cast<double>(s.w_size());
  const auto y_size = static_cast<double>(s.y_size());
  const Work work = {4 * (x_size + s.batch * w_size) + 2 * 32.0 * s.batch,  // a sector of bias and of y
                     4 * (x_size + w_size + s.out_features + y_size), x_size * s.out_features};
  const auto run = [&]<int kOutputs, int kVector>() {
    return launch(context,
                  {"linear_few_forward", static_cast<unsigned>(ceil_div(s.batch, warps)),
                   static_cast<unsigned>(warps * 32), 0, work},
                  few_forward<kOutputs, kVector>, s, global(x, s.x_size()), global(w, s.w_size()),
                  global(bias, s.out_features), global(y, s.y_size()));
  };
  return with_few_outputs(s, run);
}

inline Status launch_few_dgrad(const Context& context, const LinearShape& s, const float* dy, const float* w,
                               const float* x, float* dx) {
  const auto run = [&]<int kOutputs, int kVector>() {
    const dim3 grid(static_cast<unsigned>(s.batch),
                    static_cast<unsigned>(ceil_div(s.in_features, kFewDgradThreads * kVector)));
    const auto x_size = static_cast<double>(s.x_size());
    const auto w_size = static_cast<double>(s.w_size());
    const auto dy_size = static_cast<double>(s.y_size());
    const double moved = x_size * (s.relu_before ? 2 : 1);
    const double warps = double{1} * s.batch * ceil_div(s.in_features, 32 * kVector);
    const Work work = {4 * (moved + s.batch * w_size) + 32 * warps * s.out_features,
                       4 * (moved + w_size + dy_size), x_size * s.out_features};
    return launch(context, {"linear_few_dgrad", grid, kFewDgradThreads, 0, work},
                  few_dgrad<kOutputs, kVector>, s, global(dy, s.y_size()), global(w, s.w_size()),
                  global(x, s.x_size()), global(dx, s.x_size()));
  };
  return with_few_outputs(s, run);
}

inline Status launch_few_wgrad(const Context& context, const LinearShape& s, const float* x, const float* dy,
                               float* dw, float* dbias) {
  const auto run = [&]<int kOutputs, int kVector>() {
    using Lane = FewWgradLane<kOutputs, kVector>;
    const int blocks = ceil_div(s.in_features, Lane::kColumns);
    const int warps = std::min(ceil_div(s.batch, Lane::kRows * Lane::kAtOnce), kMaxFewWgradWarps);
    const auto x_size = static_cast<double>(s.x_size());
    const int dy_size = s.batch * s.out_features;
    const double dw_size = double{1} * s.out_features * (s.in_features + 1);
    const Work work = {4 * (x_size + dw_size) + 32.0 * blocks * ceil_div(dy_size, 8),
                       4 * (x_size + dy_size + dw_size), x_size * s.out_features};
    return launch(
        context,
        {"linear_few_wgrad", static_cast<unsigned>(blocks), static_cast<unsigned>(warps * 32), 0, work},
        few_wgrad<kOutputs, kVector>, s, global(x, s.x_size()), global(dy, s.y_size()),
        global(dw, s.w_size()), global(dbias, s.out_features));
  };
  return with_few_outputs(s, run);
}

}  // namespace bauta::BAUTA_DEVICE
