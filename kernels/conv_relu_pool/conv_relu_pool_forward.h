#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool_layout.h"

namespace bauta::BAUTA_ISA::conv_relu_pool {

/// Vectors of output channels that a tile computes; the weights lie in panels of as many.
inline constexpr int kPanelVectors = 2;
inline constexpr int kPanel = kPanelVectors * kWidth;

struct ForwardPlan {
  ForwardPlan(const ConvReluPoolShape& s, int threads)
      : panels(ceil_div(s.out_channels, kPanel)),
        depth(s.kernel * s.kernel * s.in_channels),
        columns(rows_read(s, s.out_w)),
        strip_size(Plan::round_up(Index{rows_read(s, 1)} * columns * s.in_channels)) {
    Plan plan;
    weights = plan.take(Index{panels} * depth * kPanel);
    bias = plan.take(Index{panels} * kPanel);
    strips = plan.take(threads * strip_size);
    size = plan.size();
  }
  int panels;        // of kPanel output channels
  int depth;         // of the product, K²·C
  int columns;       // of padded x
  Index strip_size;  // the rows that one pooled row reads
  Index weights;     // [panels, K, K, C, kPanel], zeros behind the last channel
  Index bias;        // [panels, kPanel]
  Index strips;      // [threads, strip_size]
  Index size;
};

inline void pack_panel(const ConvReluPoolShape& s, const ForwardPlan& plan, const float* w, const float* bias,
                       int panel, float* scratch) {
  float* ws = scratch + plan.weights + Index{panel} * plan.depth * kPanel;
  float* bs = scratch + plan.bias + panel * kPanel;
  const int first = panel * kPanel;
  for (int o = 0; o < kPanel; ++o) bs[o] = first + o < s.out_channels ? bias[first + o] : 0;
  for (Index k = 0; k < plan.depth; ++k) {
    for (int o = 0; o < kPanel; ++o) {
      ws[k * kPanel + o] = first + o < s.out_channels ? w[k * s.out_channels + first + o] : 0;
    }
  }
}

/// z = the convolution at kPixels neighbouring columns of one row, one panel of channels; x points at the
/// first column's first kernel row. Per product of a channel of x with a panel: 2 loads of weights and
/// kPixels broadcasts for 2·kPixels fma, which is what bounds it; the accumulators of 6 pixels fill the
/// registers of AVX2.
template <int kPixels>
void convolve(const ConvReluPoolShape& s, Index pitch, const float* x, const float* w, const float* bias,
              Vec (&z)[kPixels][kPanelVectors]) {
  const Index step = Index{s.stride} * s.in_channels;
  const Index row_length = Index{s.kernel} * s.in_channels;
  Vec sums[kPixels][kPanelVectors];
  for (int i = 0; i < kPixels; ++i) {
    for (int v = 0; v < kPanelVectors; ++v) sums[i][v] = load(bias + v * kWidth);
  }
  // No loop runs zero times; to say so keeps the sums out of memory.
  int r = 0;
  do {
    Index k = 0;
    do {
      Vec ws[kPanelVectors];
      for (int v = 0; v < kPanelVectors; ++v) ws[v] = load(w + v * kWidth);
      for (int i = 0; i < kPixels; ++i) {
        const Vec xs = broadcast(x[i * step + k]);
        for (int v = 0; v < kPanelVectors; ++v) sums[i][v] = fma(xs, ws[v], sums[i][v]);
      }
      w += kPanel;
    } while (++k < row_length);
    x += pitch;
  } while (++r < s.kernel);
  for (int i = 0; i < kPixels; ++i) {
    for (int v = 0; v < kPanelVectors; ++v) z[i][v] = sums[i][v];
  }
}

/// Lanes where b takes the place of a: it is larger, or the first NaN.
inline IntVec better(Vec b, Vec a) { return ~(b <= a) & (a == a); }

/// The largest of a window's four, and its position there as two bits: in lane i, bits 2(i%4) of the lane.
struct Winner {
  Vec value;
  IntVec bits;
};

inline Winner pool(Vec z0, Vec z1, Vec z2, Vec z3) {
  alignas(64) static constexpr std::int32_t kLow[] = {1, 4, 16, 64, 1, 4, 16, 64, 1, 4, 16, 64, 1, 4, 16, 64};
  IntVec low;
  std::memcpy(&low, kLow, sizeof low);
  const IntVec right_of_first = better(z1, z0);
  const IntVec right_of_second = better(z3, z2);
  const Vec first = right_of_first ? z1 : z0;
  const Vec second = right_of_second ? z3 : z2;
  const IntVec below = better(second, first);
  return {below ? second : first, ((below ? right_of_second : right_of_first) & low) | (below & (low + low))};
}

/// Four channels to a byte: `bits` of kWidth channels, already in their places, as kWidth/4 bytes.
inline void pack_bits(IntVec bits, std::uint8_t* bytes) {
  std::uint64_t pairs[kWidth / 2];
  std::memcpy(pairs, &bits, sizeof bits);
  for (int b = 0; b < kWidth / 4; ++b) {
    const std::uint64_t four = pairs[2 * b] | pairs[2 * b + 1];
    bytes[b] = static_cast<std::uint8_t>(four | four >> 32);
  }
}

/// Where a tile's results go: at the first of its channels.
struct ForwardOutput {
  float* y;
  std::uint8_t* argmax;  // or null
  int channels;          // that the panel has
};

inline void store_winners(const Winner (&winners)[kPanelVectors], const ForwardOutput& out) {
  std::uint8_t bytes[kPanel / 4];
  for (int v = 0; v < kPanelVectors; ++v) {
    const Vec value = winners[v].value;
    const int lanes = lanes_of(out.channels, v);
    if (lanes > 0) store(out.y + v * kWidth, value <= zero() ? zero() : value, lanes);
    pack_bits(winners[v].bits, bytes + v * (kWidth / 4));
  }
  if (out.argmax == nullptr) return;
  if (out.channels >= kPanel) {
    std::memcpy(out.argmax, bytes, sizeof bytes);
  } else {
    const int last = out.channels % 4;
    if (last > 0) bytes[out.channels / 4] &= static_cast<std::uint8_t>((1 << 2 * last) - 1);
    std::memcpy(out.argmax, bytes, static_cast<std::size_t>(ceil_div(out.channels, 4)));
  }
}

/// kWindows neighbouring windows of one panel: the convolution's upper row, then its lower.
template <int kWindows>
void forward_tile(const ConvReluPoolShape& s, Index pitch, const float* x, const float* w, const float* bias,
                  ForwardOutput out) {
  Vec z[2][2 * kWindows][kPanelVectors];
  convolve<2 * kWindows>(s, pitch, x, w, bias, z[0]);
  convolve<2 * kWindows>(s, pitch, x + s.stride * pitch, w, bias, z[1]);
  for (int q = 0; q < kWindows; ++q) {
    Winner winners[kPanelVectors];
    for (int v = 0; v < kPanelVectors; ++v) {
      winners[v] = pool(z[0][2 * q][v], z[0][2 * q + 1][v], z[1][2 * q][v], z[1][2 * q + 1][v]);
    }
    store_winners(winners, out);
    out.y += s.out_channels;
    if (out.argmax != nullptr) out.argmax += s.argmax_stride();
  }
}

/// One pooled row of one panel, three windows at a time; four are cut 2 + 2, for one alone is slow.
inline void forward_row(const ConvReluPoolShape& s, Index pitch, const float* x, const float* w,
                        const float* bias, ForwardOutput out) {
  for (int q = 0; q < s.out_w;) {
    const int left = s.out_w - q;
    const int windows = left == 4 ? 2 : smaller(left, 3);
    const ForwardOutput at = {out.y + Index{q} * s.out_channels,
                              out.argmax == nullptr ? nullptr : out.argmax + Index{q} * s.argmax_stride(),
                              out.channels};
    const float* xs = x + Index{2 * q} * s.stride * s.in_channels;
    if (windows == 3) forward_tile<3>(s, pitch, xs, w, bias, at);
    if (windows == 2) forward_tile<2>(s, pitch, xs, w, bias, at);
    if (windows == 1) forward_tile<1>(s, pitch, xs, w, bias, at);
    q += windows;
  }
}

/// Direct convolution, pooled in registers. One index takes one pooled row of one sample: the rows of x that
/// it reads are copied, padded, into a strip that stays in L1 while every panel of weights
/// passes over it. x is read (stride + K) / (2·stride) times, the weights once per pooled row, from L2.
inline Status forward(const Context& context, const ConvReluPoolShape& s, const float* x, const float* w,
                      const float* bias, float* y, std::uint8_t* argmax) {
  const ForwardPlan plan(s, thread_count(context));
  float* scratch = reinterpret_cast<float*>(context.workspace.data());
  parallel_for(context, plan.panels, [&](int panel, int) { pack_panel(s, plan, w, bias, panel, scratch); });
  parallel_for(context, s.batch * s.out_h, [&](int index, int thread) {
    float* strip = scratch + plan.strips + thread * plan.strip_size;
    const float* sample = x + Index{index / s.out_h} * s.in_h * s.in_w * s.in_channels;
    copy_strip(s, plan.columns, sample, Index{index % s.out_h} * 2 * s.stride, rows_read(s, 1), strip);
    const Index position = Index{index} * s.out_w;
    for (int panel = 0; panel < plan.panels; ++panel) {
      const int o = panel * kPanel;
      const ForwardOutput out = {y + position * s.out_channels + o,
                                 argmax == nullptr ? nullptr : argmax + position * s.argmax_stride() + o / 4,
                                 s.out_channels - o};
      forward_row(s, Index{plan.columns} * s.in_channels, strip,
                  scratch + plan.weights + Index{panel} * plan.depth * kPanel, scratch + plan.bias + o, out);
    }
  });
  return {};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
