#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/conv2d_product.h"

/// What the CUDA kernels of all convolutions are made of. Each pass is one product of matrices,
/// c[m][n] = Σ_k a[m][k]·b[k][n] (conv2d_product.h), whose a is never stored:
///
///   pass     m                  n   k                     a                       b
///   forward  output position    o   tap and c             x at position + tap     w
///   dgrad    pixel of x         c   tap and o             dy at pixel - tap       w
///   wgrad    tap and c, or one  o   output position       x at position + tap     dy
namespace bauta::BAUTA_DEVICE {

/// Blocks that a multiprocessor is to hold at once, which limits their registers: kMost where vectors are
/// copied. The other kernels would spill, as would some before sm_90.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
template <int kVector, int kMost>
inline constexpr int kConvBlocks = 1;
#else
template <int kVector, int kMost>
inline constexpr int kConvBlocks = kVector == 4 ? kMost : 1;
#endif

// --- Images

/// What a position and a tap each add to the place that they meet at in images [N,H,W,C].
struct alignas(16) Place {
  int pixel;  ///< the first of the sample
  int i, j;   ///< row and column
  int channel;
};
/// Outside of any image, whatever is added to it.
__device__ __forceinline__ Place nowhere() { return {0, -(1 << 30), 0, 0}; }

__device__ __forceinline__ Place operator+(const Place& a, const Place& b) {
  return {a.pixel + b.pixel, a.i + b.i, a.j + b.j, a.channel + b.channel};
}

__device__ __forceinline__ bool inside(const Place& at, int height, int width) {
  return static_cast<unsigned>(at.i) < static_cast<unsigned>(height) &&
         static_cast<unsigned>(at.j) < static_cast<unsigned>(width);
}

/// Starts copying kVector neighbours to shared memory: from[at] and on, or zeros.
template <int kVector>
__device__ __forceinline__ void copy_or_zero(Ptr<float> to, Ptr<const float> from, Index at, bool valid) {
  cp_async<4 * kVector>(to, from + (valid ? at : 0), valid ? 4 * kVector : 0);
}

/// Starts copying a slice at k of a matrix [depth][columns] from column first_n on, zeros outside of it.
template <int kVector, class Tile, class Slice>
__device__ __forceinline__ void copy_matrix_slice(Slice&& slice, Ptr<const float> matrix, int k, int depth,
                                                  int first_n, int columns) {
#pragma unroll
  for (int i = 0; i < Tile::kDepth * Tile::kColumns / kVector / kConvThreads; ++i) {
    const int to = (thread_of_block() + i * kConvThreads) * kVector;
    const int to_k = to / Tile::kColumns;
    const int n = to % Tile::kColumns;
    copy_or_zero<kVector>(&slice[to_k][n], matrix, Index{k + to_k} * columns + first_n + n,
                          k + to_k < depth && first_n + n < columns);
  }
}

struct Images {
  Ptr<const float> values;
  int height, width, channels;

  /// Starts copying kVector channels of a pixel to shared memory; outside of the image they are zero.
  template <int kVector>
  __device__ __forceinline__ void copy(Ptr<float> to, const Place& at) const {
    const Index from = Index{at.pixel + at.i * width + at.j} * channels + at.channel;
    copy_or_zero<kVector>(to, values, from, inside(at, height, width));
  }
};

/// Divides by a number that is known before the launch, without the division.
class Divisor {
 public:
  explicit Divisor(int divisor) : divisor_(static_cast<unsigned>(divisor)) {
    while (1U << shift_ < divisor_) ++shift_;
    factor_ = static_cast<unsigned>((((std::uint64_t{1} << shift_) - divisor_) << 32) / divisor_ + 1);
  }

  struct Result {
    int quotient, remainder;
  };
  /// n at least 0.
  __device__ __forceinline__ Result divide(int n) const {
    const auto of = static_cast<unsigned>(n);
    const auto high = static_cast<unsigned>(std::uint64_t{of} * factor_ >> 32);
    const unsigned quotient = (high + of) >> shift_;
    return {static_cast<int>(quotient), static_cast<int>(of - quotient * divisor_)};
  }

 private:
  unsigned divisor_;
  unsigned factor_;
  unsigned shift_ = 0;
};

/// An image's rows and columns, in the order in which they are counted.
struct Grid {
  Divisor pixels, columns;

  Grid(int height, int width) : pixels(height * width), columns(width) {}

  struct Position {
    int n, i, j;
  };
  __device__ __forceinline__ Position position(int index) const {
    const auto sample = pixels.divide(index);
    const auto row = columns.divide(sample.remainder);
    return {sample.quotient, row.quotient, row.remainder};
  }
};

/// What output position (n, p, q) of a convolution reads first, but for the padding.
__device__ __forceinline__ Place place_in_x(const Conv2dShape& s, int n, int p, int q) {
  return {n * s.in_h * s.in_w, p * s.stride, q * s.stride, 0};
}

// --- forward and dgrad

/// The taps of a kernel that apply to all rows of a tile: rows from first_row and columns from first_column
/// on, by `step`; from one to the next, images are walked by `direction`.
struct Taps {
  int first_row, first_column, step, direction;
  int rows, columns;  ///< that apply
  int channels;       ///< of the images

  __device__ __forceinline__ int depth() const { return rows * columns * channels; }
};

/// sums = Σ_k a[m][k]·b[k][n] over the taps; origin(m) is the place of the tile's row m, without a tap.
/// b is w, n going along its out-channels where kB is across_k, or along its in-channels. kVector and
/// kWVector neighbours are copied at once from the images and from w.
template <Lying kB, int kVector, int kWVector, class Tile, class Source, class Origin>
__device__ __forceinline__ void gather(const Conv2dShape& s, const Taps& taps, const Source& source,
                                       Ptr<const float> w, int first_n, const Origin& origin,
                                       const TileThread<Tile>& thread, ConvSums& sums) {
  constexpr bool kTransposed = kB == Lying::along_k;
  constexpr int kDepth = Tile::kDepth;
  constexpr int kPitch = kDepth % 32 == 0 ? kDepth + 4 : kDepth;
  alignas(16) __shared__ Shared<float, 2, kSliceRows<Tile::kRows>, kPitch> a_slices;
  alignas(16) __shared__ Shared<float, 2, kTransposed ? kSliceRows<Tile::kColumns> : kDepth,
                                kTransposed ? kDepth + 4 : Tile::kColumns>
      b_slices;
  alignas(16) __shared__ Shared<Place, Tile::kRows> origins;
  const int t = thread_of_block();
  for (int m = t; m < Tile::kRows; m += kConvThreads) origins[m] = origin(m);
  __syncthreads();

  // A thread copies the same k of several rows.
  constexpr int kLanes = kDepth / kVector;
  constexpr int kStep = kConvThreads / kLanes;
  const auto copy = [&](int k, auto&& a, auto&& b) {
    const int to_k = t % kLanes * kVector;
    const int tap = (k + to_k) / taps.channels;
    const int channel = (k + to_k) % taps.channels;
    const int row = tap / taps.columns;
    const int column = tap % taps.columns;
    const bool valid = row < taps.rows;
    const Place at = valid ? Place{0, row * taps.direction, column * taps.direction, channel} : nowhere();
#pragma unroll 2
    for (int i = 0; i < Tile::kRows / kStep; ++i) {
      const int m = t / kLanes + i * kStep;
      const Place from = origins[m];
      source.template copy<kVector>(&a[slice_row<Tile::kRows>(m)][to_k], from + at);
    }
    if constexpr (kTransposed) {
      const int tap_of_w =
          (taps.first_row + row * taps.step) * s.kernel + taps.first_column + column * taps.step;
#pragma unroll
      for (int i = 0; i < Tile::kColumns / kStep; ++i) {
        const int n = t / kLanes + i * kStep;
        const Index from = (Index{tap_of_w} * s.in_channels + first_n + n) * s.out_channels + channel;
        copy_or_zero<kVector>(&b[slice_row<Tile::kColumns>(n)][to_k], w, from,
                              valid && first_n + n < s.in_channels);
      }
    } else {
      copy_matrix_slice<kWVector, Tile>(b, w, k, taps.depth(), first_n, s.out_channels);
    }
  };
  multiply<Lying::along_k, kB>(a_slices, b_slices, 0, taps.depth(), copy, thread, sums);
}

/// All of a kernel's taps.
__device__ __forceinline__ Taps forward_taps(const Conv2dShape& s) {
  return {0, 0, 1, 1, s.kernel, s.kernel, s.in_channels};
}

/// Where output position (n, p, q) begins to read.
__device__ __forceinline__ Place forward_origin(const Conv2dShape& s, int n, int p, int q) {
  return place_in_x(s, n, p, q) + Place{0, -s.pad, -s.pad, 0};
}

/// A tile of y, without the biases: origin(m) is the place where row m begins to read. What a thread of part
/// 0 then has is handed on in fours of neighbouring channels: write(sums, c, o, channels, biases), where
/// sums[r][c] and on are of channels o to o + channels, 4 or what is left.
template <int kVector, int kOutVector, class Tile, class Origin, class Write>
__device__ __forceinline__ void forward_tile(const Conv2dShape& s, Ptr<const float> x, Ptr<const float> w,
                                             Ptr<const float> bias, int first_n, const Origin& origin,
                                             const TileThread<Tile>& thread, const Write& write) {
  ConvSums sums = {};
  const Images images{x, s.in_h, s.in_w, s.in_channels};
  gather<Lying::across_k, kVector, kOutVector>(s, forward_taps(s), images, w, first_n, origin, thread, sums);

  if (thread.part != 0) return;
#pragma unroll
  for (int c = 0; c < 8; c += 4) {
    const int o = first_n + thread.column(c);
    const int channels = min(4, s.out_channels - o);
    if (channels <= 0) continue;
    float biases[4];
    load_channels<kOutVector>(biases, bias + o, channels);
    write(sums, c, o, channels, biases);
  }
}

/// Pixels of x whose rows and columns have the same remainders by the stride are read by the same taps: a
/// phase. blockIdx.z counts those that there are.
struct Phase {
  int row, column;    ///< remainders
  int height, width;  ///< pixels of the phase

  __device__ __forceinline__ explicit Phase(const Conv2dShape& s) {
    const int across = min(s.stride, s.in_w);
    row = static_cast<int>(blockIdx.z) / across;
    column = static_cast<int>(blockIdx.z) % across;
    height = ceil_div(s.in_h - row, s.stride);
    width = ceil_div(s.in_w - column, s.stride);
  }
};

/// Taps first, first + stride ... of a kernel.
__host__ __device__ constexpr int taps_from(int first, const Conv2dShape& s) {
  return first < s.kernel ? ceil_div(s.kernel - first, s.stride) : 0;
}

/// A tile of dx, of one phase. `dy` copies elements of the gradient, of which a sample has `dy_pixels` times
/// O, kDyVector at once.
template <int kVector, int kDyVector, class Tile, class Source>
__device__ __forceinline__ void dgrad_tile(const Conv2dShape& s, const Source& dy, int dy_pixels,
                                           Ptr<const float> w, Ptr<float> dx) {
  const Phase phase(s);
  const int pixels = phase.height * phase.width;
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  if (first_m >= s.batch * pixels) return;  // phases differ in size by a row and a column
  const int first_row = (phase.row + s.pad) % s.stride;
  const int first_column = (phase.column + s.pad) % s.stride;
  const Taps taps{
      first_row,     first_column, s.stride, -1, taps_from(first_row, s), taps_from(first_column, s),
      s.out_channels};
  const auto pixel = [&](int m) {  // row m's in x
    const int n = m / pixels;
    return Place{n, m % pixels / phase.width * s.stride + phase.row,
                 m % pixels % phase.width * s.stride + phase.column, 0};
  };
  const auto origin = [&](int m) {
    const Place at = pixel(first_m + m);
    if (at.pixel >= s.batch) return nowhere();
    return Place{at.pixel * dy_pixels, (at.i + s.pad) / s.stride, (at.j + s.pad) / s.stride, 0};
  };
  const TileThread<Tile> thread;
  ConvSums sums = {};
  gather<Lying::along_k, kDyVector, kDyVector>(s, taps, dy, w, first_n, origin, thread, sums);

  store_sums<kVector>(thread, sums, first_n, s.in_channels, dx, [&](int m) {
    const Place at = pixel(first_m + m);
    if (at.pixel >= s.batch) return Index{-1};
    return (Index{at.pixel} * s.in_h * s.in_w + at.i * s.in_w + at.j) * s.in_channels;
  });
}

// --- wgrad

/// Rows of wgrad's product: a kernel's taps and channels, and for the bias one whose input is always 1.
__host__ __device__ constexpr int wgrad_rows(const Conv2dShape& s) {
  return s.kernel * s.kernel * s.in_channels + 1;
}

/// How the positions of all samples are shared among blocks, whose sums go to the workspace.
struct Split {
  int blocks;
  int depth;  ///< positions of each block but the last
};

/// A block's share of a tile of dw and dbias, to partial [blocks][rows][O]. `dy` tells the place of a
/// position (k) in x, and copies slices of the gradient. kVector and kDyVector channels are copied at once
/// from x and dy.
template <int kVector, int kDyVector, class Tile, class Gradient>
__device__ __forceinline__ void wgrad_tile(const Conv2dShape& s, const Images& x, const Gradient& dy,
                                           const Split& split, Ptr<float> partial) {
  alignas(16) __shared__ Shared<float, 2, Tile::kDepth, Tile::kRows> a_slices;
  alignas(16) __shared__ Shared<float, 2, Tile::kDepth, Tile::kColumns> b_slices;
  const int t = thread_of_block();
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int begin = static_cast<int>(blockIdx.z) * split.depth;
  const int end = min(begin + split.depth, dy.positions());

  // A thread copies the same rows of several k.
  constexpr int kLanes = Tile::kRows / kVector;
  const int to_m = t % kLanes * kVector;
  const int tap = (first_m + to_m) / s.in_channels;
  const int bias_row = wgrad_rows(s) - 1 - first_m;
  const Place tap_place = to_m < bias_row ? Place{0, tap / s.kernel - s.pad, tap % s.kernel - s.pad,
                                                  (first_m + to_m) % s.in_channels}
                                          : nowhere();
  constexpr int kStep = kConvThreads / kLanes;
  if (to_m == bias_row) {
    const float ones[kVector] = {1};
    for (int k = t / kLanes; k < Tile::kDepth; k += kStep) {
      for (int stage = 0; stage < 2; ++stage) store_vector(&a_slices[stage][k][to_m], ones);
    }
  }
  const auto copy = [&](int k, auto&& a, auto&& b) {
    if (to_m != bias_row) {
#pragma unroll 2
      for (int i = 0; i < Tile::kDepth / kStep; ++i) {
        const int to_k = t / kLanes + i * kStep;
        const Place at = k + to_k < end ? dy.place(k + to_k) + tap_place : nowhere();
        x.copy<kVector>(&a[to_k][to_m], at);
      }
    }
    dy.template copy_slice<kDyVector, Tile>(b, k, end, first_n);
  };
  const TileThread<Tile> thread;
  ConvSums sums = {};
  multiply<Lying::across_k, Lying::across_k>(a_slices, b_slices, begin, end, copy, thread, sums);

  store_sums<kDyVector>(thread, sums, first_n, s.out_channels, partial, [&](int m) {
    if (first_m + m >= wgrad_rows(s)) return Index{-1};
    return (Index{static_cast<int>(blockIdx.z)} * wgrad_rows(s) + first_m + m) * s.out_channels;
  });
}

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

/// The tiles of the passes, by the sizes of a sample alone: the bits of its results do not depend on its
/// batch.
using WideTile = ConvTile<128, 64, 16>;
using TallTile = ConvTile<256, 32, 16>;  // few channels
using SmallTile = ConvTile<64, 32, 32>;  // few positions
using WgradTile = ConvTile<64, 64, 16>;
using NarrowTile = ConvTile<32, 32, 64>;  // of wgrad: few channels

inline constexpr int kFewChannels = 32;
inline constexpr int kFewPositions = 512;  // of a sample

/// Calls body.operator()<Tile>() with the tile that suits forward or dgrad.
template <class Body>
Status with_gather_tile(Index positions, int channels, const Body& body) {
  if (positions < kFewPositions) return body.template operator()<SmallTile>();
  if (channels <= kFewChannels) return body.template operator()<TallTile>();
  return body.template operator()<WideTile>();
}

template <class Body>
auto with_wgrad_tile(const Conv2dShape& s, const Body& body) {
  return s.out_channels <= kFewChannels ? body.template operator()<NarrowTile>()
                                        : body.template operator()<WgradTile>();
}

/// Calls body.operator()<kVector, kOutVector>(): how many in-channels, and out-channels, to copy at once.
template <class Body>
Status with_vectors(const Conv2dShape& s, const Body& body) {
  if (s.out_channels % 4 != 0) return body.template operator()<1, 1>();
  if (s.in_channels % 4 != 0) return body.template operator()<1, 4>();
  return body.template operator()<4, 4>();
}

template <class Tile>
dim3 tiles_of(int rows, int columns, int depth) {
  return dim3(static_cast<unsigned>(ceil_div(rows, Tile::kRows)),
              static_cast<unsigned>(ceil_div(columns, Tile::kColumns)), static_cast<unsigned>(depth));
}

/// The grid of dgrad: tiles of the largest phase, by phases.
template <class Tile>
dim3 dgrad_grid(const Conv2dShape& s) {
  const int pixels = s.batch * ceil_div(s.in_h, s.stride) * ceil_div(s.in_w, s.stride);
  return tiles_of<Tile>(pixels, s.in_channels, std::min(s.stride, s.in_h) * std::min(s.stride, s.in_w));
}

/// Blocks enough for four on each of an H100's 132 multiprocessors, if there are as many slices.
template <class Tile>
Split wgrad_split(const Conv2dShape& s) {
  constexpr int kBlocks = 4 * 132;
  const int tiles = ceil_div(wgrad_rows(s), Tile::kRows) * ceil_div(s.out_channels, Tile::kColumns);
  const int slices = ceil_div(s.batch * s.out_h * s.out_w, Tile::kDepth);
  const int slices_each = ceil_div(slices, std::min(slices, ceil_div(kBlocks, tiles)));
  return {ceil_div(slices, slices_each), slices_each * Tile::kDepth};
}

inline int wgrad_split_blocks(const Conv2dShape& s) {
  return with_wgrad_tile(s, [&]<class Tile>() { return wgrad_split<Tile>(s).blocks; });
}

inline Index partial_sums(const Conv2dShape& s) {
  return Index{wgrad_split_blocks(s)} * wgrad_rows(s) * s.out_channels;
}

/// Bytes of wgrad's workspace.
inline std::size_t wgrad_workspace(const Conv2dShape& s) {
  return static_cast<std::size_t>(partial_sums(s)) * sizeof(float);
}

inline Status launch_add_partial_sums(const Context& context, const char* name, const Work& work,
                                      const Conv2dShape& s, const float* partial, float* dw, float* dbias) {
  constexpr int kThreads = 128;
  const int weights = (wgrad_rows(s) - 1) * s.out_channels;
  const auto grid = static_cast<unsigned>(ceil_div(weights + s.out_channels, kThreads));
  return launch(context, {name, grid, kThreads, 0, work}, add_partial_sums<kThreads>, wgrad_split_blocks(s),
                weights, s.out_channels, global(partial, partial_sums(s)), global(dw, weights),
                global(dbias, s.out_channels));
}

/// Fails unless the pixels of all samples can be counted in an int, as the kernels do.
inline Status check_pixels(const char* op, const Conv2dShape& s) {
  const Index most = std::max(Index{s.in_h} * s.in_w, Index{s.out_h} * s.out_w);
  if (most <= std::numeric_limits<int>::max() / s.batch) return {};
  return Status::error(
      std::string(op) + ": a batch of " + std::to_string(s.batch) + " has more than 2^31 pixels", {},
      "the CUDA kernels take smaller batches");
}

}  // namespace bauta::BAUTA_DEVICE
