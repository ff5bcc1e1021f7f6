#include "kernels/conv2d/conv2d_backends.h"
#include "kernels/shard_tree.h"
#include "kernels/simd.h"

namespace bauta::BAUTA_ISA {
namespace {

// Channels that a tile of results is wide: two vectors.
constexpr int kPanel = 2 * kWidth;

Index round_up(Index size, Index multiple) { return (size + multiple - 1) / multiple * multiple; }

// ---- forward and dgrad
//
// Both gather: a result is a sum, over the kernel's taps that apply, of a source pixel times a matrix.
// forward's source is x, its matrices are w's [C,O]; dgrad's source is dy, its matrices [O,C]. Results in a
// tile are so far apart in their row that the same taps apply to all: neighbours in forward, `stride` columns
// apart in dgrad.

// One axis of a gather. The taps that apply are first_tap, first_tap + step ...; the k-th reads source +
// k·direction.
struct Axis {
  int first_tap;
  int step;
  int source;
  int direction;
};

Axis forward_axis(const Conv2dShape& s, int out) { return {0, 1, out * s.stride - s.pad, 1}; }

Axis dgrad_axis(const Conv2dShape& s, int in) {
  return {(in + s.pad) % s.stride, s.stride, (in + s.pad) / s.stride, -1};
}

// What a row of results is computed from. Where a tap falls on padding, it reads `zeros`.
struct Source {
  const float* image;  // [height, width, channels]
  const float* zeros;  // [channels]
  int height, width, channels;
  int pixel_step;  // source columns between neighbours in a tile
  int kernel;
};

// kQ results x kV vectors of channels. `panel` [K,K,channels,kPanel] is their part of the matrices. 12
// accumulators, 2 loads and 6 broadcasts for 12 fma: bound by the fma units.
template <int kQ, int kV>
void gather_tile(const Source& from, const Axis& rows, const Axis& columns, const float* panel,
                 Vec (&sums)[kQ][kV]) {
  int i = rows.source;
  for (int r = rows.first_tap; r < from.kernel; r += rows.step, i += rows.direction) {
    if (i < 0 || i >= from.height) continue;
    const float* row = from.image + Index{i} * from.width * from.channels;
    int j = columns.source;
    for (int t = columns.first_tap; t < from.kernel; t += columns.step, j += columns.direction) {
      const float* pixels[kQ];
      for (int q = 0; q < kQ; ++q) {
        const int column = j + q * from.pixel_step;
        const bool inside = column >= 0 && column < from.width;
        pixels[q] = inside ? row + Index{column} * from.channels : from.zeros;
      }
      const float* matrix = panel + (Index{r} * from.kernel + t) * from.channels * kPanel;
      for (Index c = 0; c < from.channels; ++c) {
        Vec ws[kV];
        for (int v = 0; v < kV; ++v) ws[v] = load(matrix + c * kPanel + v * kWidth);
        for (int q = 0; q < kQ; ++q) {
          const Vec x = broadcast(pixels[q][c]);
          for (int v = 0; v < kV; ++v) sums[q][v] = fma(x, ws[v], sums[q][v]);
        }
      }
    }
  }
}

// Computes the tile and stores `channels` of its kPanel channels at `to`, results `to_step` floats apart.
template <int kQ, int kV>
void store_tile(const Source& from, const Axis& rows, const Axis& columns, const float* panel,
                const float* bias, float* to, Index to_step, int channels) {
  Vec sums[kQ][kV] = {};
  gather_tile<kQ, kV>(from, rows, columns, panel, sums);
  for (int v = 0; v < kV; ++v) {
    const int lanes = smaller(kWidth, channels - v * kWidth);
    const Vec added = bias == nullptr ? zero() : load(bias + v * kWidth, lanes);
    for (int q = 0; q < kQ; ++q) store(to + q * to_step + v * kWidth, sums[q][v] + added, lanes);
  }
}

template <int kQ>
int store_panel(const Source& from, const Axis& rows, const Axis& columns, const float* panel,
                const float* bias, float* to, Index to_step, int channels) {
  auto* tile = channels > kWidth ? store_tile<kQ, 2> : store_tile<kQ, 1>;
  tile(from, rows, columns, panel, bias, to, to_step, channels);
  return kQ;
}

// Stores the first of `left` results, as many as the largest tile among them has, and returns their number.
int store_some(int left, const Source& from, const Axis& rows, const Axis& columns, const float* panel,
               const float* bias, float* to, Index to_step, int channels) {
  auto* some = left >= 6 ? store_panel<6> : left >= 2 ? store_panel<2> : store_panel<1>;
  return some(from, rows, columns, panel, bias, to, to_step, channels);
}

// Copies [taps, rows, columns], rows and columns so many floats apart, to panels [columns/kPanel, taps, rows,
// kPanel], zeros behind the last column.
void pack(const Context& context, const float* w, int taps, int rows, Index row_step, int columns,
          Index column_step, float* panels) {
  const Index tap_size = Index{rows} * columns;
  parallel_for(context, static_cast<int>(round_up(columns, kPanel) / kPanel) * taps, [&](int index, int) {
    const int first = index / taps * kPanel;
    const float* from = w + index % taps * tap_size + first * column_step;
    float* to = panels + Index{index} * rows * kPanel;
    for (Index row = 0; row < rows; ++row) {
      for (int k = 0; k < kPanel; ++k) {
        *to++ = first + k < columns ? from[row * row_step + k * column_step] : 0;
      }
    }
  });
}

// The workspace of forward and dgrad: `channels` zeros, then the panels.
float* clear_zeros(const Context& context, int channels) {
  float* zeros = reinterpret_cast<float*>(context.workspace.data());
  for (int c = 0; c < channels; ++c) zeros[c] = 0;
  return zeros;
}

float* panels_behind(float* zeros, int channels) { return zeros + round_up(channels, 16); }

// One index takes a row of y. The row's inputs stay in L1 while panel after panel of w comes from L2: 64
// bytes (AVX2) for 12 fma.
Status forward(const Context& context, const Conv2dShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  float* zeros = clear_zeros(context, s.in_channels);
  float* panels = panels_behind(zeros, s.in_channels);
  const int taps = s.kernel * s.kernel;
  pack(context, w, taps, s.in_channels, s.out_channels, s.out_channels, 1, panels);
  parallel_for(context, s.batch * s.out_h, [&](int index, int) {
    const float* image = x + Index{index / s.out_h} * s.in_h * s.in_w * s.in_channels;
    const Source from{image, zeros, s.in_h, s.in_w, s.in_channels, s.stride, s.kernel};
    const Axis rows = forward_axis(s, index % s.out_h);
    for (int o = 0; o < s.out_channels; o += kPanel) {
      const float* panel = panels + Index{o} * taps * s.in_channels;
      const int channels = smaller(kPanel, s.out_channels - o);
      float* to = y + Index{index} * s.out_w * s.out_channels + o;
      for (int q = 0; q < s.out_w;) {
        q += store_some(s.out_w - q, from, rows, forward_axis(s, q), panel, bias + o,
                        to + Index{q} * s.out_channels, s.out_channels, channels);
      }
    }
  });
  return {};
}

// One index takes a row of dx; the columns of one remainder modulo `stride` are computed together, so that no
// tap is tried in vain.
Status dgrad(const Context& context, const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  float* zeros = clear_zeros(context, s.out_channels);
  float* panels = panels_behind(zeros, s.out_channels);
  const int taps = s.kernel * s.kernel;
  pack(context, w, taps, s.out_channels, 1, s.in_channels, s.out_channels, panels);
  parallel_for(context, s.batch * s.in_h, [&](int index, int) {
    const float* image = dy + Index{index / s.in_h} * s.out_h * s.out_w * s.out_channels;
    const Source from{image, zeros, s.out_h, s.out_w, s.out_channels, 1, s.kernel};
    const Axis rows = dgrad_axis(s, index % s.in_h);
    for (int c = 0; c < s.in_channels; c += kPanel) {
      const float* panel = panels + Index{c} * taps * s.out_channels;
      const int channels = smaller(kPanel, s.in_channels - c);
      float* to = dx + Index{index} * s.in_w * s.in_channels + c;
      for (int first = 0; first < smaller(s.stride, s.in_w); ++first) {
        for (int j = first; j < s.in_w;) {
          const int left = (s.in_w - 1 - j) / s.stride + 1;
          j +=
              s.stride * store_some(left, from, rows, dgrad_axis(s, j), panel, nullptr,
                                    to + Index{j} * s.in_channels, Index{s.stride} * s.in_channels, channels);
        }
      }
    }
  });
  return {};
}

// ---- wgrad
//
// Every shard has a gradient of its own in the workspace, [K·K·C + 1, O rounded up to vectors], the last row
// being the bias'; a second pass adds them up by the tree.

Index padded_outs(const Conv2dShape& s) { return round_up(s.out_channels, kWidth); }
Index gradient_rows(const Conv2dShape& s) { return Index{s.kernel} * s.kernel * s.in_channels + 1; }

// Adds one row of outputs' products to kC rows x kV vectors of dw: `x` is the first input at channel c, `dy`
// the first gradient at channel o, `count` their number. 6 broadcasts and 2 loads for 12 fma.
template <int kC, int kV>
void wgrad_tile(const Conv2dShape& s, const float* x, const float* dy, int count, float* dw, int lanes) {
  const Index outs = padded_outs(s);
  Vec sums[kC][kV];
  for (int c = 0; c < kC; ++c) {
    for (int v = 0; v < kV; ++v) sums[c][v] = load(dw + c * outs + v * kWidth);
  }
  for (int q = 0; q < count; ++q) {
    Vec gs[kV];
    for (int v = 0; v < kV; ++v) gs[v] = load(dy + v * kWidth, lanes);
    for (int c = 0; c < kC; ++c) {
      const Vec xs = broadcast(x[c]);
      for (int v = 0; v < kV; ++v) sums[c][v] = fma(xs, gs[v], sums[c][v]);
    }
    x += Index{s.stride} * s.in_channels;
    dy += s.out_channels;
  }
  for (int c = 0; c < kC; ++c) {
    for (int v = 0; v < kV; ++v) store(dw + c * outs + v * kWidth, sums[c][v]);
  }
}

template <int kC>
void wgrad_channels(const Conv2dShape& s, const float* x, const float* dy, int count, float* dw, int outs) {
  int o = 0;
  for (; o + kPanel <= outs; o += kPanel) wgrad_tile<kC, 2>(s, x, dy + o, count, dw + o, kWidth);
  for (; o < outs; o += kWidth) wgrad_tile<kC, 1>(s, x, dy + o, count, dw + o, smaller(kWidth, outs - o));
}

// Row r of the kernel, one row of outputs: x_row and dy_row are the rows that meet.
void wgrad_row(const Conv2dShape& s, const float* x_row, const float* dy_row, float* dw) {
  for (int t = 0; t < s.kernel; ++t, dw += s.in_channels * padded_outs(s)) {
    const int reach = s.in_w - 1 + s.pad - t;  // output q reads column q·stride - pad + t
    if (reach < 0) continue;
    const int first = larger(0, (s.pad - t + s.stride - 1) / s.stride);
    const int count = smaller(s.out_w, reach / s.stride + 1) - first;
    if (count < 1) continue;
    const float* x = x_row + (Index{first} * s.stride - s.pad + t) * s.in_channels;
    const float* dy = dy_row + Index{first} * s.out_channels;
    int c = 0;
    for (; c + 6 <= s.in_channels; c += 6) {
      wgrad_channels<6>(s, x + c, dy, count, dw + c * padded_outs(s), s.out_channels);
    }
    for (; c + 3 <= s.in_channels; c += 3) {
      wgrad_channels<3>(s, x + c, dy, count, dw + c * padded_outs(s), s.out_channels);
    }
    for (; c < s.in_channels; ++c) {
      wgrad_channels<1>(s, x + c, dy, count, dw + c * padded_outs(s), s.out_channels);
    }
  }
}

// Samples [begin, end) of kernel row r.
void wgrad_shard(const Conv2dShape& s, int r, int begin, int end, const float* x, const float* dy,
                 float* dw) {
  const Index size = Index{s.kernel} * s.in_channels * padded_outs(s);
  for (Index k = 0; k < size; ++k) dw[k] = 0;
  for (Index n = begin; n < end; ++n) {
    for (Index p = 0; p < s.out_h; ++p) {
      const Index i = p * s.stride - s.pad + r;
      if (i < 0 || i >= s.in_h) continue;
      wgrad_row(s, x + (n * s.in_h + i) * s.in_w * s.in_channels,
                dy + (n * s.out_h + p) * s.out_w * s.out_channels, dw);
    }
  }
}

void bias_shard(const Conv2dShape& s, int begin, int end, const float* dy, float* dbias) {
  const Index first = Index{begin} * s.out_h * s.out_w;
  const Index last = Index{end} * s.out_h * s.out_w;
  for (int o = 0; o < s.out_channels; o += kWidth) {
    const int lanes = smaller(kWidth, s.out_channels - o);
    Vec sum = zero();
    for (Index k = first; k < last; ++k) sum = sum + load(dy + k * s.out_channels + o, lanes);
    store(dbias + o, sum);
  }
}

// The sum of the shards' row `row`, to `to` [O].
void reduce_row(const Conv2dShape& s, const Shards& shards, const float* gradients, Index row, float* to) {
  const Index shard_size = gradient_rows(s) * padded_outs(s);
  for (int o = 0; o < s.out_channels; o += kWidth) {
    ShardTree<Vec, 1> tree;
    Vec sum[1] = {};
    for (int shard = 0; shard < shards.count; ++shard) {
      sum[0] = load(gradients + shard * shard_size + row * padded_outs(s) + o);
      tree.add(sum, shard);
    }
    store(to + o, sum[0], smaller(kWidth, s.out_channels - o));
  }
}

// One index takes one shard and one row of the kernel (or the bias). A row of x and of dy stay in L1 for all
// of their K·C·O products; x and dy are read K times from memory.
Status wgrad(const Context& context, const Conv2dShape& s, const Shards& shards, const float* x,
             const float* dy, float* dw, float* dbias) {
  float* gradients = reinterpret_cast<float*>(context.workspace.data());
  const Index rows = gradient_rows(s);
  const Index kernel_row = Index{s.kernel} * s.in_channels * padded_outs(s);
  parallel_for(context, shards.count * (s.kernel + 1), [&](int index, int) {
    const int shard = index / (s.kernel + 1);
    const int r = index % (s.kernel + 1);
    float* gradient = gradients + shard * rows * padded_outs(s) + r * kernel_row;
    const int begin = shards.begin(shard);
    const int end = shards.begin(shard + 1);
    if (r == s.kernel) return bias_shard(s, begin, end, dy, gradient);
    wgrad_shard(s, r, begin, end, x, dy, gradient);
  });
  parallel_for(context, static_cast<int>(rows), [&](int row, int) {
    reduce_row(s, shards, gradients, row, row + 1 == rows ? dbias : dw + Index{row} * s.out_channels);
  });
  return {};
}

// Of what gathers `from` channels into `to`: zeros, and the weights as panels.
Index gather_floats(const Conv2dShape& s, int from, int to) {
  return round_up(from, 16) + round_up(to, kPanel) * s.kernel * s.kernel * from;
}

std::size_t workspace(const Context&, const Conv2dShape& s, Pass pass) {
  const Index floats = pass == Pass::forward ? gather_floats(s, s.in_channels, s.out_channels)
                       : pass == Pass::dgrad ? gather_floats(s, s.out_channels, s.in_channels)
                                             : Shards::kTotal * gradient_rows(s) * padded_outs(s);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

}  // namespace

const Conv2dBackend conv2d_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_ISA
