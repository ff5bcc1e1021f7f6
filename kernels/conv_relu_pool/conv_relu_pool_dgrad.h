#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_nonzeros.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

struct DgradPlan {
  DgradPlan(const ConvReluPoolShape& s, int threads)
      : vectors(divide_up(s.in_channels, kWidth)),
        taps(s.kernel * s.kernel),
        columns(rows_read(s, s.out_w)),
        band_rows(larger(2 * s.stride, rows_read(s, 1))),
        band_size(Plan::round_up(Index{vectors} * band_rows * columns * kWidth)),
        list_size(Plan::round_up(Index{4} * s.out_w * s.out_channels)),
        count_size(Plan::round_up(Index{4} * s.out_w)) {
    Plan plan;
    weights = plan.take(Index{vectors} * s.out_channels * taps * kWidth);
    bands = plan.take(threads * band_size);
    gradients = plan.take(threads * list_size);
    offsets = plan.take(threads * list_size);
    counts = plan.take(threads * count_size);
    size = plan.size();
  }
  int vectors;  // of input channels
  int taps;     // K²
  int columns;  // of padded dx
  int band_rows;
  Index band_size, list_size, count_size;
  Index weights;    // [vectors, O, K, K, kWidth], zeros behind the last channel
  Index bands;      // [threads] [vectors, band_rows, columns, kWidth]
  Index gradients;  // [threads] [Q, 4, O]: at each pooled position, lists by the winner's place in the window
  Index offsets;    // the same of the places in `weights` of their output channels
  Index counts;     // [threads] [Q, 4]: lengths of the lists
  Index size;
};

/// One thread's share of the workspace.
struct DgradScratch {
  DgradScratch(const DgradPlan& plan, float* scratch, int thread)
      : weights(scratch + plan.weights),
        band(scratch + plan.bands + thread * plan.band_size),
        gradients(scratch + plan.gradients + thread * plan.list_size),
        offsets(reinterpret_cast<std::int32_t*>(scratch + plan.offsets + thread * plan.list_size)),
        counts(reinterpret_cast<std::int32_t*>(scratch + plan.counts + thread * plan.count_size)) {}
  const float* weights;
  float* band;
  float* gradients;
  std::int32_t* offsets;
  std::int32_t* counts;
};

inline void pack_dgrad_weights(const ConvReluPoolShape& s, const DgradPlan& plan, const float* w, int v,
                               float* to) {
  to += Index{v} * s.out_channels * plan.taps * kWidth;
  for (int o = 0; o < s.out_channels; ++o) {
    for (int t = 0; t < plan.taps; ++t, to += kWidth) {
      for (int lane = 0; lane < kWidth; ++lane) {
        const int c = v * kWidth + lane;
        to[lane] = c < s.in_channels ? w[(Index{t} * s.in_channels + c) * s.out_channels + o] : 0;
      }
    }
  }
}

/// Lists the non-zeros of one pooled row. No branch: a zero is written and then overwritten.
inline void list_by_winner(const ConvReluPoolShape& s, const DgradPlan& plan, const float* dy, const float* y,
                           const std::uint8_t* argmax, const DgradScratch& scratch) {
  const int entry = plan.taps * kWidth;
  for (int q = 0; q < s.out_w; ++q) {
    float* gradients = scratch.gradients + Index{4 * q} * s.out_channels;
    std::int32_t* offsets = scratch.offsets + Index{4 * q} * s.out_channels;
    int counts[4] = {};
    for (int o = 0; o < s.out_channels; ++o) {
      const float g = winner_gradient(dy[o], y[o]);
      const int at = winner_at(argmax, o);
      const int end = at * s.out_channels + counts[at];
      gradients[end] = g;
      offsets[end] = o * entry;
      counts[at] += g != 0;
    }
    std::memcpy(scratch.counts + 4 * q, counts, sizeof counts);
    dy += s.out_channels;
    y += s.out_channels;
    argmax += argmax_bytes(s);
  }
}

/// Adds one pooled row's part of dx to the band, whose first row is the first that this pooled row reads.
inline void scatter_row(const ConvReluPoolShape& s, const DgradPlan& plan, const DgradScratch& scratch) {
  const Index pitch = Index{plan.columns} * kWidth;
  for (int v = 0; v < plan.vectors; ++v) {
    const float* weights = scratch.weights + Index{v} * s.out_channels * plan.taps * kWidth;
    float* band = scratch.band + v * plan.band_rows * pitch;
    for (Index q = 0; q < s.out_w; ++q) {
      for (int at = 0; at < 4; ++at) {
        const Index list = 4 * q + at;
        const Index first = list * s.out_channels;
        const NonZeros nonzeros = {scratch.gradients + first, scratch.offsets + first, scratch.counts[list]};
        float* to = band + at / 2 * s.stride * pitch + (2 * q + at % 2) * s.stride * kWidth;
        accumulate_kernel(s.kernel, nonzeros, weights, Index{s.kernel} * kWidth, to, pitch);
      }
    }
  }
}

/// Writes row `row` of dx (of one sample) from row `band_row` of the band.
inline void write_row(const ConvReluPoolShape& s, const DgradPlan& plan, const float* band, int band_row,
                      Index row, float* dx) {
  if (row < 0 || row >= s.in_h) return;
  const Index pitch = Index{plan.columns} * kWidth;
  const Inside in = inside(s, plan.columns);
  float* to = dx + row * s.in_w * s.in_channels;
  for (int column = in.begin; column < in.end; ++column) {
    for (int v = 0; v < plan.vectors; ++v) {
      const Vec value = load(band + (Index{v} * plan.band_rows + band_row) * pitch + Index{column} * kWidth);
      store_lanes(to + v * kWidth, value, lanes_of(s.in_channels, v));
    }
    to += s.in_channels;
  }
  const Index written = Index{in.end - in.begin} * s.in_channels;
  std::memset(to, 0, static_cast<std::size_t>(Index{s.in_w} * s.in_channels - written) * sizeof(float));
}

/// Takes the first 2·stride rows of the band away, to which nothing more is added, and opens as many at its
/// end.
inline void advance_band(const ConvReluPoolShape& s, const DgradPlan& plan, float* band) {
  const Index pitch = Index{plan.columns} * kWidth;
  const Index done = 2 * s.stride * pitch;
  const Index kept = plan.band_rows * pitch - done;
  for (int v = 0; v < plan.vectors; ++v, band += kept + done) {
    std::memmove(band, band + done, static_cast<std::size_t>(kept) * sizeof(float));
    std::memset(band + kept, 0, static_cast<std::size_t>(done) * sizeof(float));
  }
}

/// dx of one sample, pooled row by pooled row: dy, y, argmax and dx are the sample's.
inline void dgrad_sample(const ConvReluPoolShape& s, const DgradPlan& plan, const float* dy, const float* y,
                         const std::uint8_t* argmax, float* dx, const DgradScratch& scratch) {
  std::memset(scratch.band, 0, static_cast<std::size_t>(plan.band_size) * sizeof(float));
  Index row = -s.pad;
  for (Index p = 0; p < s.out_h; ++p) {
    const Index first = p * s.out_w;
    list_by_winner(s, plan, dy + first * s.out_channels, y + first * s.out_channels,
                   argmax + first * argmax_bytes(s), scratch);
    scatter_row(s, plan, scratch);
    for (int i = 0; i < 2 * s.stride; ++i, ++row) write_row(s, plan, scratch.band, i, row, dx);
    advance_band(s, plan, scratch.band);
  }
  for (int i = 0; i < plan.band_rows - 2 * s.stride; ++i, ++row) write_row(s, plan, scratch.band, i, row, dx);
  if (row >= s.in_h) return;
  const Index row_size = Index{s.in_w} * s.in_channels;
  std::memset(dx + row * row_size, 0, static_cast<std::size_t>((s.in_h - row) * row_size) * sizeof(float));
}

/// One index takes a sample. The non-zeros of a pooled row are listed by their place in the window, so that
/// inside a list all of them add to the same K x K pixels of dx, which stay in registers; one vector of input
/// channels at a time, whose weights (O·K² vectors) stay in the first-level cache. dy, y and argmax are read
/// once, dx written once.
inline Status dgrad(const Context& context, const ConvReluPoolShape& s, const float* dy, const float* y,
                    const std::uint8_t* argmax, const float* w, float* dx, std::byte* workspace) {
  const DgradPlan plan(s, thread_count(context));
  float* scratch = reinterpret_cast<float*>(workspace);
  parallel_for(context, plan.vectors,
               [&](int v, int) { pack_dgrad_weights(s, plan, w, v, scratch + plan.weights); });
  parallel_for(context, s.batch, [&](int n, int thread) {
    const Index first = Index{n} * s.out_h * s.out_w;
    dgrad_sample(s, plan, dy + first * s.out_channels, y + first * s.out_channels,
                 argmax + first * argmax_bytes(s), dx + Index{n} * s.in_h * s.in_w * s.in_channels,
                 DgradScratch(plan, scratch, thread));
  });
  return {};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
