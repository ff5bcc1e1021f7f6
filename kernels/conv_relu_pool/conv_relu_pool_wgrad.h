#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_nonzeros.h"
#include "kernels/shard_tree.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

struct WgradPlan {
  WgradPlan(const ConvReluPoolShape& s, int threads)
      : row_size(row_vectors(s) * kWidth),
        columns(rows_read(s, s.out_w)),
        pitch(Index{columns} * s.in_channels),
        tile(tile_rows(s, pitch)),
        tile_size(Plan::round_up(rows_read(s, tile) * pitch + kWidth)),
        capacity(ceil_div(tile * s.out_w, kWidth) * kWidth),
        count_size(Plan::round_up(ceil_div(s.out_channels, kWidth) * kWidth)),
        list_size(count_size * capacity),
        sum_size(Plan::round_up(Index{s.out_channels} * s.kernel * row_size)) {
    Plan plan;
    sums = plan.take(Shards::kTotal * sum_size);
    bias_sums = plan.take(Shards::kTotal * count_size);
    tiles = plan.take(threads * tile_size);
    gradients = plan.take(threads * list_size);
    offsets = plan.take(threads * list_size);
    counts = plan.take(threads * count_size);
    size = plan.size();
  }

  // As many pooled rows as let what a part reads of x, two rows for each, stay in L1
  // beside the sums.
  static int tile_rows(const ConvReluPoolShape& s, Index pitch) {
    constexpr Index kTile = 24 * 1024 / sizeof(float);
    const int vectors = row_vectors(s);
    const Index read = 2 * pitch * smaller(vectors, kLongestPart) / vectors;
    const Index rows = kTile / read;
    return rows < 1 ? 1 : rows < s.out_h ? static_cast<int>(rows) : s.out_h;
  }

  int row_size;  // of one kernel row, K·C in whole vectors
  int columns;   // of padded x
  Index pitch;   // floats from one row of a tile to the next
  int tile;      // pooled rows that are listed at once
  Index tile_size;
  int capacity;  // of a list, in whole vectors
  Index count_size, list_size, sum_size;
  Index sums;       // [shards] [O, K, row_size]
  Index bias_sums;  // [shards] [O]
  Index tiles;      // [threads] [rows, columns, C] of padded x, and room for the last pixel's whole vectors
  Index gradients;  // [threads] [O, capacity]: a tile's lists by output channel
  Index offsets;    // the same of the places in the tile that their winners read
  Index counts;     // [threads] [O]: lengths of the lists
  Index size;
};

/// Some output channels of one shard's gradient, and one thread's scratch to compute them with.
struct WgradTask {
  int first, end;    // output channels
  float* sums;       // of the shard, all channels
  float* bias_sums;  // the same
  float* tile;
  float* gradients;
  std::int32_t* offsets;
  std::int32_t* counts;
};

/// Lists the non-zeros of one vector of channels in a tile, positions in order, and adds them to the bias
/// gradient. Reads kWidth positions at a time and transposes them, so that a vector holds positions of one
/// channel.
inline void list_channels(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task,
                          const float* dy, const float* y, const std::uint8_t* argmax, int first,
                          int pooled_rows) {
  const int right = s.stride * s.in_channels;
  const int below = static_cast<int>(s.stride * plan.pitch);
  const int lanes = task.end - first;
  const int positions = pooled_rows * s.out_w;
  std::int32_t counts[kWidth] = {};
  Vec bias_sum = load(task.bias_sums + first);
  int p = 0, q = 0;  // of the next position
  for (int position = 0; position < positions; position += kWidth) {
    Vec gradients[kWidth];
    IntVec offsets[kWidth];
    const int count = smaller(kWidth, positions - position);
    for (int i = 0; i < count; ++i) {
      const Index at = position + i;
      const WinnerGradients winners =
          read_winners(dy + at * s.out_channels + first, y + at * s.out_channels + first,
                       argmax + at * s.argmax_stride() + first / 4, lanes);
      gradients[i] = winners.gradient;
      offsets[i] =
          2 * (p * below + q * right) + ((-(winners.at & 1)) & right) + ((-(winners.at >> 1)) & below);
      bias_sum += winners.gradient;
      if (++q == s.out_w) ++p, q = 0;
    }
    for (int i = count; i < kWidth; ++i) gradients[i] = zero(), offsets[i] = IntVec{};
    transpose(gradients);
    transpose(offsets);
    for (int lane = 0; lane < kWidth; ++lane) {
      const Index end = Index{first + lane} * plan.capacity + counts[lane];
      counts[lane] += compress(gradients[lane] != zero(), gradients[lane], offsets[lane],
                               task.gradients + end, task.offsets + end);
    }
  }
  store(task.bias_sums + first, bias_sum);
  std::memcpy(task.counts + first, counts, sizeof counts);
}

/// Adds one tile's part to the sums.
inline void multiply_tile(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task) {
  for_each_part(s, [&](const Part& part) {
    const float* tile = task.tile + part.row * plan.pitch + part.vector * kWidth;
    float* sums = task.sums + part.row * plan.row_size + part.vector * kWidth;
    for (Index o = task.first; o < task.end; ++o) {
      const Index first = o * plan.capacity;
      const NonZeros list = {task.gradients + first, task.offsets + first, task.counts[o]};
      part.accumulate(list, tile, plan.pitch, sums + o * s.kernel * plan.row_size, plan.row_size);
    }
  });
}

/// Adds one sample's gradient to the task's sums; x, dy, y and argmax are the sample's.
inline void wgrad_sample(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task,
                         const float* x, const float* dy, const float* y, const std::uint8_t* argmax) {
  for (int p = 0; p < s.out_h; p += plan.tile) {
    const int rows = smaller(plan.tile, s.out_h - p);
    const Index first = Index{p} * s.out_w;
    copy_strip(s, plan.columns, x, Index{2 * p} * s.stride, rows_read(s, rows), task.tile);
    for (int o = task.first; o < task.end; o += kWidth) {
      list_channels(s, plan, task, dy + first * s.out_channels, y + first * s.out_channels,
                    argmax + first * s.argmax_stride(), o, rows);
    }
    multiply_tile(s, plan, task);
  }
}

/// dw and dbias of output channel o: the sum of the shards, by the tree.
inline void fold_channel(const ConvReluPoolShape& s, const WgradPlan& plan, int shards, const float* scratch,
                         Index o, float* dw, float* dbias) {
  ShardTree<float, 1> bias_tree;
  float bias_sum[1] = {};
  for (int shard = 0; shard < shards; ++shard) {
    bias_sum[0] = scratch[plan.bias_sums + shard * plan.count_size + o];
    bias_tree.add(bias_sum, shard);
  }
  dbias[o] = bias_sum[0];
  const int row_length = s.kernel * s.in_channels;
  for (Index r = 0; r < s.kernel; ++r) {
    for (int v = 0; v < row_vectors(s); ++v) {
      const float* sums = scratch + plan.sums + (o * s.kernel + r) * plan.row_size + v * kWidth;
      ShardTree<Vec, 1> tree;
      Vec sum[1] = {};
      for (int shard = 0; shard < shards; ++shard) {
        sum[0] = load(sums + shard * plan.sum_size);
        tree.add(sum, shard);
      }
      for (int lane = 0; lane < lanes_of(row_length, v); ++lane) {
        dw[(r * row_length + v * kWidth + lane) * s.out_channels + o] = sum[0][lane];
      }
    }
  }
}

/// One index takes one shard, or some of its output channels where there are too few shards for the threads:
/// its samples in order, a tile of pooled rows at a time. The tile's non-zeros are listed by output channel;
/// the winner's place in its window only moves the pointer to what it read. Then part by part: what a part
/// reads of the tile stays in L1 while every channel's list goes over it, adding to sums
/// in registers. x, dy, y and argmax are read once per index; the sums of a shard, the size of dw, pass
/// through L2 once per tile. At the end the shards' sums are folded by the tree. With few
/// input channels listing costs as much as multiplying.
inline Status wgrad(const Context& context, const ConvReluPoolShape& s, const Shards& shards, const float* x,
                    const float* dy, const float* y, const std::uint8_t* argmax, float* dw, float* dbias) {
  const int threads = thread_count(context);
  const WgradPlan plan(s, threads);
  float* scratch = reinterpret_cast<float*>(context.workspace.data());
  const int vectors = ceil_div(s.out_channels, kWidth);
  const int channels = ceil_div(vectors, smaller(vectors, ceil_div(4 * threads, shards.count))) * kWidth;
  const int blocks = ceil_div(s.out_channels, channels);
  parallel_for(context, shards.count * blocks, [&](int index, int thread) {
    const Index shard = index / blocks;
    const int first = index % blocks * channels;
    const WgradTask task = {
        first,
        smaller(first + channels, s.out_channels),
        scratch + plan.sums + shard * plan.sum_size,
        scratch + plan.bias_sums + shard * plan.count_size,
        scratch + plan.tiles + thread * plan.tile_size,
        scratch + plan.gradients + thread * plan.list_size,
        reinterpret_cast<std::int32_t*>(scratch + plan.offsets + thread * plan.list_size),
        reinterpret_cast<std::int32_t*>(scratch + plan.counts + thread * plan.count_size),
    };
    const Index channel_size = Index{s.kernel} * plan.row_size;
    std::memset(task.sums + first * channel_size, 0, float_bytes((task.end - first) * channel_size));
    for (int o = first; o < task.end; o += kWidth) store(task.bias_sums + o, zero());
    for (Index n = shards.begin(static_cast<int>(shard)); n < shards.begin(static_cast<int>(shard) + 1);
         ++n) {
      const Index position = n * s.out_h * s.out_w;
      wgrad_sample(s, plan, task, x + n * s.in_h * s.in_w * s.in_channels, dy + position * s.out_channels,
                   y + position * s.out_channels, argmax + position * s.argmax_stride());
    }
  });
  constexpr int kFold = 16;  // channels: a cache line of dw belongs to one thread
  parallel_for(context, ceil_div(s.out_channels, kFold), [&](int block, int) {
    for (int o = block * kFold; o < smaller(block * kFold + kFold, s.out_channels); ++o) {
      fold_channel(s, plan, shards.count, scratch, o, dw, dbias);
    }
  });
  return {};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
