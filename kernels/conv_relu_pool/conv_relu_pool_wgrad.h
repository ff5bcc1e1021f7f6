#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_nonzeros.h"
#include "kernels/shard_tree.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

struct WgradPlan {
  WgradPlan(const ConvReluPoolShape& s, int threads)
      : vectors(divide_up(s.in_channels, kWidth)),
        taps(s.kernel * s.kernel),
        columns(rows_read(s, s.out_w)),
        tile(tile_rows(s, columns)),
        tile_pitch(Index{columns} * kWidth),
        tile_size(Plan::round_up(vectors * rows_read(s, tile) * tile_pitch)),
        capacity(tile * s.out_w),
        list_size(Plan::round_up(Index{s.out_channels} * capacity)),
        count_size(Plan::round_up(s.out_channels)),
        sum_size(Plan::round_up(Index{s.out_channels} * vectors * taps * kWidth)) {
    Plan plan;
    sums = plan.take(Shards::kTotal * sum_size);
    bias_sums = plan.take(Shards::kTotal * count_size);
    tiles = plan.take(threads * tile_size);
    gradients = plan.take(threads * list_size);
    offsets = plan.take(threads * list_size);
    counts = plan.take(threads * count_size);
    size = plan.size();
  }

  // As many pooled rows as let one vector's share of x stay in the first-level cache beside the sums.
  static int tile_rows(const ConvReluPoolShape& s, int columns) {
    constexpr int kBytes = 20 * 1024;
    const int rows = kBytes / (columns * kWidth * static_cast<int>(sizeof(float)));
    return smaller(s.out_h, larger(1, ((rows - s.kernel) / s.stride + 1) / 2));
  }

  int vectors;       // of input channels
  int taps;          // K²
  int columns;       // of padded x
  int tile;          // pooled rows that are listed at once
  Index tile_pitch;  // floats from one row of a tile to the next
  Index tile_size;
  int capacity;  // of a list
  Index list_size, count_size, sum_size;
  Index sums;       // [shards] [O, vectors, K, K, kWidth]
  Index bias_sums;  // [shards] [O]
  Index
      tiles;  // [threads] [vectors, rows, columns, kWidth]: a tile of padded x, zeros behind the last channel
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

/// Copies the padded rows of x that pooled rows p, p + 1, ... read; x is the sample's.
inline void copy_tile(const ConvReluPoolShape& s, const WgradPlan& plan, const float* x, int p,
                      int pooled_rows, float* tile) {
  const Inside in = inside(s, plan.columns);
  const Index vector_size = rows_read(s, plan.tile) * plan.tile_pitch;
  const auto clear = [](float* begin, float* end) {
    std::memset(begin, 0, static_cast<std::size_t>(end - begin) * sizeof(float));
  };
  for (int v = 0; v < plan.vectors; ++v) {
    const int lanes = lanes_of(s.in_channels, v);
    for (int i = 0; i < rows_read(s, pooled_rows); ++i) {
      float* to = tile + v * vector_size + i * plan.tile_pitch;
      const Index row = Index{2 * p} * s.stride - s.pad + i;
      if (row < 0 || row >= s.in_h) {
        clear(to, to + plan.tile_pitch);
        continue;
      }
      const float* from = x + row * s.in_w * s.in_channels + v * kWidth;
      clear(to, to + in.begin * kWidth);
      for (int column = in.begin; column < in.end; ++column, from += s.in_channels) {
        store(to + column * kWidth, lanes == kWidth ? load(from) : load_partial(from, lanes));
      }
      clear(to + in.end * kWidth, to + plan.tile_pitch);
    }
  }
}

/// Lists one tile's non-zeros by output channel, positions in order, and adds them to the bias gradient. No
/// branch: a zero is written and then overwritten.
inline void list_by_channel(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task,
                            const float* dy, const float* y, const std::uint8_t* argmax, int pooled_rows) {
  const int right = s.stride * kWidth;
  const int below = static_cast<int>(s.stride * plan.tile_pitch);
  const int moves[4] = {0, right, below, below + right};
  for (int o = task.first; o < task.end; ++o) task.counts[o] = 0;
  for (int p = 0; p < pooled_rows; ++p) {
    for (int q = 0; q < s.out_w; ++q) {
      const int window = 2 * (p * below + q * right);
      for (int o = task.first; o < task.end; ++o) {
        const float g = winner_gradient(dy[o], y[o]);
        const Index end = Index{o} * plan.capacity + task.counts[o];
        task.gradients[end] = g;
        task.offsets[end] = window + moves[winner_at(argmax, o)];
        task.counts[o] += g != 0;
        task.bias_sums[o] += g;
      }
      dy += s.out_channels;
      y += s.out_channels;
      argmax += argmax_bytes(s);
    }
  }
}

/// Adds one tile's part to the sums.
inline void multiply_tile(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task) {
  const Index vector_size = rows_read(s, plan.tile) * plan.tile_pitch;
  for (int v = 0; v < plan.vectors; ++v) {
    for (Index o = task.first; o < task.end; ++o) {
      const Index first = o * plan.capacity;
      const NonZeros list = {task.gradients + first, task.offsets + first, task.counts[o]};
      float* sums = task.sums + (o * plan.vectors + v) * plan.taps * kWidth;
      accumulate_kernel(s.kernel, list, task.tile + v * vector_size, plan.tile_pitch, sums,
                        Index{s.kernel} * kWidth);
    }
  }
}

/// Adds one sample's gradient to the task's sums; x, dy, y and argmax are the sample's.
inline void wgrad_sample(const ConvReluPoolShape& s, const WgradPlan& plan, const WgradTask& task,
                         const float* x, const float* dy, const float* y, const std::uint8_t* argmax) {
  for (int p = 0; p < s.out_h; p += plan.tile) {
    const int rows = smaller(plan.tile, s.out_h - p);
    const Index first = Index{p} * s.out_w;
    copy_tile(s, plan, x, p, rows, task.tile);
    list_by_channel(s, plan, task, dy + first * s.out_channels, y + first * s.out_channels,
                    argmax + first * argmax_bytes(s), rows);
    multiply_tile(s, plan, task);
  }
}

/// dw and dbias of output channel o: the sum of the shards, by the tree.
inline void fold_channel(const ConvReluPoolShape& s, const WgradPlan& plan, int shards, const float* scratch,
                         Index o, float* dw, float* dbias) {
  ScalarShardTree bias_tree;
  float bias_sum = 0;
  for (int shard = 0; shard < shards; ++shard) {
    bias_sum = scratch[plan.bias_sums + shard * plan.count_size + o];
    bias_tree.add(bias_sum, shard);
  }
  dbias[o] = bias_sum;
  for (Index v = 0; v < plan.vectors; ++v) {
    for (Index tap = 0; tap < plan.taps; ++tap) {
      const float* sums = scratch + plan.sums + ((o * plan.vectors + v) * plan.taps + tap) * kWidth;
      ShardTree<1> tree;
      Vec sum[1] = {};
      for (int shard = 0; shard < shards; ++shard) {
        sum[0] = load(sums + shard * plan.sum_size);
        tree.add(sum, shard);
      }
      for (int lane = 0; lane < lanes_of(s.in_channels, static_cast<int>(v)); ++lane) {
        dw[(tap * s.in_channels + v * kWidth + lane) * s.out_channels + o] = sum[0][lane];
      }
    }
  }
}

/// One index takes one shard, or some of its output channels where there are too few shards for the threads:
/// its samples in order, a tile of pooled rows at a time. The tile's non-zeros are listed by output channel;
/// the winner's place in its window only moves the pointer to what it read. Then one vector of input channels
/// after the other: its share of the tile stays in the first-level cache while every channel's list passes
/// over it, adding to K² sums in registers. At the end the shards' sums are folded by the tree.
inline Status wgrad(const Context& context, const ConvReluPoolShape& s, const Shards& shards, const float* x,
                    const float* dy, const float* y, const std::uint8_t* argmax, float* dw, float* dbias,
                    std::byte* workspace) {
  const int threads = thread_count(context);
  const WgradPlan plan(s, threads);
  float* scratch = reinterpret_cast<float*>(workspace);
  const int channels = divide_up(s.out_channels, divide_up(4 * threads, shards.count));
  const int blocks = divide_up(s.out_channels, channels);
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
    const Index channel_size = Index{plan.vectors} * plan.taps * kWidth;
    std::memset(task.sums + first * channel_size, 0,
                static_cast<std::size_t>((task.end - first) * channel_size) * sizeof(float));
    for (int o = first; o < task.end; ++o) task.bias_sums[o] = 0;
    for (Index n = shards.begin(static_cast<int>(shard)); n < shards.begin(static_cast<int>(shard) + 1);
         ++n) {
      const Index position = n * s.out_h * s.out_w;
      wgrad_sample(s, plan, task, x + n * s.in_h * s.in_w * s.in_channels, dy + position * s.out_channels,
                   y + position * s.out_channels, argmax + position * argmax_bytes(s));
    }
  });
  constexpr int kFold = 16;  // channels: a cache line of dw belongs to one thread
  parallel_for(context, divide_up(s.out_channels, kFold), [&](int block, int) {
    for (int o = block * kFold; o < smaller(block * kFold + kFold, s.out_channels); ++o) {
      fold_channel(s, plan, shards.count, scratch, o, dw, dbias);
    }
  });
  return {};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
