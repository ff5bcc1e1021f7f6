#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_nonzeros.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

struct DgradPlan {
  DgradPlan(const ConvReluPoolShape& s, int threads)
      : row_size(row_vectors(s) * kWidth),
        columns(rows_read(s, s.out_w)),
        pitch(Index{columns} * s.in_channels),
        band_rows(larger(2 * s.stride, rows_read(s, 1))),
        band_size(Plan::round_up(band_rows * pitch + kWidth)),
        capacity(ceil_div(s.out_channels, kWidth) * kWidth),
        list_size(Plan::round_up(Index{4} * s.out_w * capacity)),
        count_size(Plan::round_up(Index{4} * s.out_w)) {
    Plan plan;
    weights = plan.take(Index{s.kernel} * s.out_channels * row_size);
    bands = plan.take(threads * band_size);
    gradients = plan.take(threads * list_size);
    offsets = plan.take(threads * list_size);
    counts = plan.take(threads * count_size);
    size = plan.size();
  }
  int row_size;  // of one kernel row, K·C in whole vectors
  int columns;   // of padded dx
  Index pitch;   // floats from one row of the band to the next
  int band_rows;
  Index band_size;
  int capacity;  // of a list: O in whole vectors
  Index list_size, count_size;
  Index weights;  // [K, O, row_size], zeros behind the last of K·C
  Index bands;  // [threads] [band_rows, columns, C] of padded dx, and room for the last pixel's whole vectors
  Index gradients;  // [threads] [Q, 4, capacity]: at each pooled position, lists by the winner's place in the
                    // window
  Index offsets;    // the same of the places in a row of `weights` of their output channels
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

inline void pack_dgrad_weights(const ConvReluPoolShape& s, const DgradPlan& plan, const float* w, Index r,
                               float* to) {
  const int row_length = s.kernel * s.in_channels;
  const float* row = w + r * row_length * s.out_channels;
  to += r * s.out_channels * plan.row_size;
  for (int o = 0; o < s.out_channels; ++o, to += plan.row_size) {
    for (int k = 0; k < plan.row_size; ++k) to[k] = k < row_length ? row[Index{k} * s.out_channels + o] : 0;
  }
}

/// Lists the non-zeros of one pooled row by their winner's place in the window, channels in order.
inline void list_by_winner(const ConvReluPoolShape& s, const DgradPlan& plan, const float* dy, const float* y,
                           const std::uint8_t* argmax, const DgradScratch& scratch) {
  IntVec first_offset;
  for (int lane = 0; lane < kWidth; ++lane) first_offset[lane] = lane * plan.row_size;
  for (Index q = 0; q < s.out_w; ++q) {
    float* gradients = scratch.gradients + 4 * q * plan.capacity;
    std::int32_t* offsets = scratch.offsets + 4 * q * plan.capacity;
    std::int32_t counts[4] = {};
    IntVec offset = first_offset;
    for (int o = 0; o < s.out_channels; o += kWidth, offset += kWidth * plan.row_size) {
      const WinnerGradients winners = read_winners(dy + o, y + o, argmax + o / 4, s.out_channels - o);
      const IntVec nonzero = winners.gradient != zero();
      for (int at = 0; at < 4; ++at) {
        const Index end = Index{at} * plan.capacity + counts[at];
        counts[at] +=
            compress(nonzero & (winners.at == at), winners.gradient, offset, gradients + end, offsets + end);
      }
    }
    std::memcpy(scratch.counts + 4 * q, counts, sizeof counts);
    dy += s.out_channels;
    y += s.out_channels;
    argmax += s.argmax_stride();
  }
}

/// Adds one pooled row's part of dx to the band, whose first row is the first that this pooled row reads.
inline void scatter_row(const ConvReluPoolShape& s, const DgradPlan& plan, const DgradScratch& scratch) {
  const Index weights_pitch = Index{s.out_channels} * plan.row_size;
  for_each_part(s, [&](const Part& part) {
    const float* weights = scratch.weights + part.row * weights_pitch + part.vector * kWidth;
    float* band = scratch.band + part.row * plan.pitch + part.vector * kWidth;
    for (Index list = 0; list < 4 * s.out_w; ++list) {
      const Index row = list % 4 / 2;
      const Index column = list / 4 * 2 + list % 2;
      const Index first = list * plan.capacity;
      const NonZeros nonzeros = {scratch.gradients + first, scratch.offsets + first, scratch.counts[list]};
      part.accumulate(nonzeros, weights, weights_pitch,
                      band + s.stride * (row * plan.pitch + column * s.in_channels), plan.pitch);
    }
  });
}

/// Writes row `row` of dx (of one sample) from a row of the band.
inline void write_row(const ConvReluPoolShape& s, const DgradPlan& plan, const float* band_row, Index row,
                      float* dx) {
  if (row < 0 || row >= s.in_h) return;
  const Inside in = inside(s, plan.columns);
  const Index written = Index{in.end - in.begin} * s.in_channels;
  const Index row_size = Index{s.in_w} * s.in_channels;
  float* to = dx + row * row_size;
  std::memcpy(to, band_row + in.begin * s.in_channels, float_bytes(written));
  std::memset(to + written, 0, float_bytes(row_size - written));
}

/// dx of one sample, pooled row by pooled row: dy, y, argmax and dx are the sample's. After each, the first
/// 2·stride rows of the band are complete: they leave it, the others move up.
inline void dgrad_sample(const ConvReluPoolShape& s, const DgradPlan& plan, const float* dy, const float* y,
                         const std::uint8_t* argmax, float* dx, const DgradScratch& scratch) {
  const Index done = 2 * s.stride * plan.pitch;
  std::memset(scratch.band, 0, float_bytes(plan.band_size));
  Index row = -s.pad;
  for (Index p = 0; p < s.out_h; ++p) {
    const Index first = p * s.out_w;
    list_by_winner(s, plan, dy + first * s.out_channels, y + first * s.out_channels,
                   argmax + first * s.argmax_stride(), scratch);
    scatter_row(s, plan, scratch);
    for (int i = 0; i < 2 * s.stride; ++i, ++row) write_row(s, plan, scratch.band + i * plan.pitch, row, dx);
    std::memmove(scratch.band, scratch.band + done, float_bytes(plan.band_size - done));
    std::memset(scratch.band + plan.band_size - done, 0, float_bytes(done));
  }
  for (int i = 0; i < plan.band_rows - 2 * s.stride; ++i, ++row) {
    write_row(s, plan, scratch.band + i * plan.pitch, row, dx);
  }
  if (row >= s.in_h) return;
  const Index row_size = Index{s.in_w} * s.in_channels;
  std::memset(dx + row * row_size, 0, float_bytes((s.in_h - row) * row_size));
}

/// One index takes a sample. The non-zeros of a pooled row are listed by their place in the window, so that
/// inside a list all of them add to the same pixels of dx, which stay in registers; part by part, so that the
/// weights of a part stay in L1. dy, y and argmax are read once, dx is written once; the
/// lists are read once for each part of a kernel (part_at).
inline Status dgrad(const Context& context, const ConvReluPoolShape& s, const float* dy, const float* y,
                    const std::uint8_t* argmax, const float* w, float* dx) {
  const DgradPlan plan(s, thread_count(context));
  float* scratch = reinterpret_cast<float*>(context.workspace.data());
  parallel_for(context, s.kernel,
               [&](int r, int) { pack_dgrad_weights(s, plan, w, r, scratch + plan.weights); });
  parallel_for(context, s.batch, [&](int n, int thread) {
    const Index first = Index{n} * s.out_h * s.out_w;
    dgrad_sample(s, plan, dy + first * s.out_channels, y + first * s.out_channels,
                 argmax + first * s.argmax_stride(), dx + Index{n} * s.in_h * s.in_w * s.in_channels,
                 DgradScratch(plan, scratch, thread));
  });
  return {};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
