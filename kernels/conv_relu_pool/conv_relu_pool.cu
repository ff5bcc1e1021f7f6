#include "kernels/conv2d/conv2d_work.h"
#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// The convolution alone, all of whose rows and columns are pooled.
Conv2dShape convolution(const ConvReluPoolShape& s) {
  return {s.batch,  s.in_h,   s.in_w, s.in_channels, s.out_channels,
          s.kernel, s.stride, s.pad,  2 * s.out_h,   2 * s.out_w};
}

// The position in its window, 2·row + column, of the first among the largest; a NaN wins over everything.
__device__ __forceinline__ unsigned winner(const float (&window)[4], float& largest) {
  unsigned at = 0;
  largest = window[0];
#pragma unroll
  for (unsigned i = 1; i < 4; ++i) {
    if (!(window[i] <= largest) && largest == largest) {
      largest = window[i];
      at = i;
    }
  }
  return at;
}

/// A tile of positions by channels (conv2d_tiles.h). The four positions of a window are neighbours, so that a
/// thread's sums are two windows of eight channels, and are pooled in its registers. Writes y and argmax
/// once. Study's layers, batch 32: 0.29, 1.2 and 0.15 G fma; MB of sectors read, mostly from caches, 44, 116
/// and 27, and written 10, 4.9 and 0.4. Bound by fma and the issue of instructions; conv3, with 128 blocks
/// for 132 multiprocessors, by latency. Not in whole sectors: the first layer's x (1.5x: three pixels of
/// three channels are 36 bytes) and argmax (2x, conv3's 8x: it is 1/16 of y).
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(kConvThreads, kConvBlocks<kOutVector, 4>)
    forward_kernel(Conv2dShape s, Grid windows, Global<const float> x, Global<const float> w,
                   Global<const float> bias, Global<float> y, Global<std::uint8_t> argmax) {
  const int first_window = static_cast<int>(blockIdx.x) * (Tile::kRows / 4);
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto origin = [&](int m) {
    const auto at = windows.position(first_window + m / 4);
    if (at.n >= s.batch) return nowhere();
    return forward_origin(s, at.n, 2 * at.i + m % 4 / 2, 2 * at.j + m % 2);
  };
  const TileThread<Tile> thread;
  const auto write = [&](const ConvSums& sums, int c, int o, int channels, const float(&biases)[4]) {
#pragma unroll
    for (int r = 0; r < 8; r += 4) {
      const int window = first_window + thread.row(r) / 4;  // a thread's rows are two windows
      if (window >= s.batch * (s.out_h / 2) * (s.out_w / 2)) continue;
      float largest[4];
      unsigned winners = 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float values[4] = {sums[r][c + i] + biases[i], sums[r + 1][c + i] + biases[i],
                                 sums[r + 2][c + i] + biases[i], sums[r + 3][c + i] + biases[i]};
        const unsigned at = winner(values, largest[i]);
        if (largest[i] <= 0) largest[i] = 0;
        if (i < channels) winners |= at << (2 * i);
      }
      store_channels<kOutVector>(y + (Index{window} * s.out_channels + o), largest, channels);
      if (argmax) {
        argmax[Index{window} * ceil_div(s.out_channels, 4) + o / 4] = static_cast<std::uint8_t>(winners);
      }
    }
  };
  forward_tile<kVector, kOutVector>(s, x, w, bias, first_n, origin, thread, write);
}

// The gradient of the convolution's output, which is never stored: that of a window's value, where it is
// larger than zero, at its winner, and zero elsewhere.
struct PooledGradient {
  Ptr<const float> dy, y;
  Ptr<const std::uint8_t> argmax;
  Conv2dShape s;  // the convolution's
  Grid windows;

  // Neighbouring channels of a window.
  template <int kVector>
  struct Vector {
    float gradients[kVector] = {};
    unsigned winners = 0;

    __device__ __forceinline__ float at(int corner, int i) const {
      return ((winners ^ static_cast<unsigned>(corner) * 0x55U) >> (2 * i) & 3) == 0 ? gradients[i] : 0;
    }
  };
  template <int kVector>
  __device__ __forceinline__ Vector<kVector> vector(int window, int o) const {
    const Index at = Index{window} * s.out_channels + o;
    float gradients[kVector], values[kVector];
    load_vector(gradients, dy + at);
    load_vector(values, y + at);
    const unsigned winners = argmax[Index{window} * ceil_div(s.out_channels, 4) + o / 4];
    Vector<kVector> result;
#pragma unroll
    for (int i = 0; i < kVector; ++i) result.gradients[i] = values[i] > 0 ? gradients[i] : 0;
    result.winners = winners >> (2 * (o % 4));
    return result;
  }

  // dgrad: the gradient at one position of the convolution.
  template <int kVector>
  __device__ __forceinline__ void copy(Ptr<float> to, const Place& at) const {
    float elements[kVector] = {};
    if (inside(at, s.out_h, s.out_w)) {
      const auto v = vector<kVector>(at.pixel + (at.i >> 1) * (s.out_w >> 1) + (at.j >> 1), at.channel);
#pragma unroll
      for (int i = 0; i < kVector; ++i) elements[i] = v.at((at.i & 1) * 2 + (at.j & 1), i);
    }
    store_vector(to, elements);
  }

  // wgrad: positions are counted by windows, so that a slice holds all four of each.
  __device__ __forceinline__ int positions() const { return s.batch * s.out_h * s.out_w; }

  __device__ __forceinline__ Place place(int k) const {
    const auto at = windows.position(k / 4);
    return place_in_x(s, at.n, 2 * at.i + k % 4 / 2, 2 * at.j + k % 2);
  }

  template <int kVector, class Tile, class Slice>
  __device__ __forceinline__ void copy_slice(Slice&& slice, int k, int end, int first_o) const {
#pragma unroll
    for (int i = 0; i < ceil_div(Tile::kDepth / 4 * Tile::kColumns, kVector * kConvThreads); ++i) {
      const int to = (thread_of_block() + i * kConvThreads) * kVector;
      const int to_k = to / Tile::kColumns * 4;
      const int to_o = to % Tile::kColumns;
      if (to_k >= Tile::kDepth) continue;
      Vector<kVector> v;
      if (k + to_k < end && first_o + to_o < s.out_channels)
        v = vector<kVector>((k + to_k) / 4, first_o + to_o);
#pragma unroll
      for (int corner = 0; corner < 4; ++corner) {
        float elements[kVector];
#pragma unroll
        for (int c = 0; c < kVector; ++c) elements[c] = v.at(corner, c);
        store_vector(&slice[to_k + corner][to_o], elements);
      }
    }
  }
};

/// A tile of dx, of one phase. The gradient is expanded as it is copied to shared memory, its zeros are
/// multiplied: 1.3 and 0.15 G fma for the study's second and third layer, batch 32. To skip the zeros would
/// leave a quarter, but which sums of a tile an element belongs to would depend on its channel: that takes a
/// branch per window and channel for a whole warp, instead of this product. MB of sectors read, mostly from
/// caches, 245 and 16, and written 9 and 4.3. Bound by fma and the issue of instructions (a third of the
/// inner loop expands); the argmax of neighbouring windows is not together (2x to 4x its sectors, a seventh
/// of what is read).
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(kConvThreads, kConvBlocks<kOutVector, Tile::kParts == 1 ? 3 : 2>)
    dgrad_kernel(Conv2dShape s, Grid windows, Global<const float> dy, Global<const float> y,
                 Global<const std::uint8_t> argmax, Global<const float> w, Global<float> dx) {
  const PooledGradient gradient{dy, y, argmax, s, windows};
  dgrad_tile<kVector, kOutVector, Tile>(s, gradient, s.out_h / 2 * (s.out_w / 2), w, dx);
}

/// A block's share of a tile of dw and dbias, over a range of windows. A slice holds the gradients of whole
/// windows, each read once and expanded to its four positions. The zeros are multiplied: to skip them, a lane
/// per channel would read x at its winner, one word of shared memory per fma, and those come at a quarter of
/// the rate of fma, so that nothing would be gained. Study's layers, batch 32: 0.29, 1.4 and 0.17 G fma, in
/// 491, 530 and 520 blocks; MB of sectors read, mostly from caches, 72, 109 and 14, and written 1.8, 7.8
/// and 7.7 of partial sums. Bound by fma and the issue of instructions. The first layer's x is not in whole
/// sectors (1.5x), as in forward.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(kConvThreads, kConvBlocks<kOutVector, 4>)
    wgrad_kernel(Conv2dShape s, Grid windows, Split split, Global<const float> x, Global<const float> dy,
                 Global<const float> y, Global<const std::uint8_t> argmax, Global<float> partial) {
  const PooledGradient gradient{dy, y, argmax, s, windows};
  wgrad_tile<kVector, kOutVector, Tile>(s, Images{x, s.in_h, s.in_w, s.in_channels}, gradient, split,
                                        partial);
}

// Elements of the arrays.
struct Sizes {
  Index x, w, y, argmax;

  explicit Sizes(const ConvReluPoolShape& s)
      : x(Index{s.batch} * s.in_h * s.in_w * s.in_channels),
        w(Index{s.kernel} * s.kernel * s.in_channels * s.out_channels),
        y(Index{s.batch} * s.out_h * s.out_w * s.out_channels),
        argmax(Index{s.batch} * s.out_h * s.out_w * s.argmax_stride()) {}

  double y_bytes() const { return 4.0 * static_cast<double>(y); }
  double argmax_bytes() const { return static_cast<double>(argmax); }
  /// Of dy, y and argmax: what the gradient of the convolution's output is made of.
  double gradient_bytes() const { return 2 * y_bytes() + argmax_bytes(); }
};

// What moves of argmax is in whole sectors: where a tile has not all channels of a window, each window's in
// one of their own.

template <class Tile>
Work pooled_forward_work(const ConvReluPoolShape& shape, int vector) {
  const Conv2dShape s = convolution(shape);
  const Sizes sizes(shape);
  // A thread writes the bytes of its two halves of the columns one after the other, each half everywhere.
  const double windows = sizes.argmax_bytes() / shape.argmax_stride();
  const double argmax_moved =
      2 * windows * ceil_div(s.out_channels, Tile::kColumns) * std::min(32, shape.argmax_stride());
  return forward_work<Tile>(s, vector, sizes.y_bytes() + sizes.argmax_bytes(),
                            sizes.y_bytes() + argmax_moved);
}

// Of a kernel's columns, the part that meets runs of pixels an odd number of positions from where they begin.
double odd_columns(const Conv2dShape& s) {
  int odd = 0;
  for (int column = 0; column < s.kernel; ++column) {
    const int phase = (column - s.pad + s.kernel * s.stride) % s.stride;
    odd += (column - s.pad - phase) / s.stride % 2 != 0 ? 1 : 0;
  }
  return double{1} * odd / s.kernel;
}

// A request is for as many neighbouring pixels as a warp has lanes for; such a run meets half as many
// windows, and one more where it is odd.
template <class Tile>
Work pooled_dgrad_work(const ConvReluPoolShape& shape, int vector) {
  const Conv2dShape s = convolution(shape);
  const double pixels = 32.0 * vector / Tile::kDepth;
  const double windows = pixels / 2 + odd_columns(s);
  const double requests = pairs_inside(s) * s.out_channels / (32 * vector);
  const double stride = std::min(32, shape.argmax_stride());  // bytes, a sector at most
  const double sectors = 1 + (windows - 1) * stride / 32;
  const double moved = requests * (2 * windows * 4 * Tile::kDepth + 32 * sectors);
  return dgrad_work<Tile>(s, Sizes(shape).gradient_bytes(), moved);
}

template <class Tile>
Work pooled_wgrad_work(const ConvReluPoolShape& shape, int vector) {
  const Conv2dShape s = convolution(shape);
  const Sizes sizes(shape);
  const int column_tiles = ceil_div(s.out_channels, Tile::kColumns);
  const double windows = sizes.argmax_bytes() / shape.argmax_stride();
  const double argmax_moved = column_tiles == 1 ? sizes.argmax_bytes() : 32 * windows * column_tiles;
  return wgrad_work<Tile>(s, vector, sizes.gradient_bytes(),
                          (2 * sizes.y_bytes() + argmax_moved) * wgrad_row_tiles<Tile>(s));
}

Status forward(const Context& context, const ConvReluPoolShape& shape, const float* x, const float* w,
               const float* bias, float* y, std::uint8_t* argmax, std::byte*) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_forward", s));
  const Sizes sizes(shape);
  return with_gather_tile(Index{s.out_h} * s.out_w, s.out_channels, [&]<class Tile>() {
    return with_vectors(s, [&]<int kVector, int kOutVector>() {
      const dim3 grid = tiles_of<Tile>(s.batch * s.out_h * s.out_w, s.out_channels, 1);
      return launch(
          context,
          {"conv_relu_pool_forward", grid, kConvThreads, 0, pooled_forward_work<Tile>(shape, kVector)},
          forward_kernel<kVector, kOutVector, Tile>, s, Grid(shape.out_h, shape.out_w), global(x, sizes.x),
          global(w, sizes.w), global(bias, s.out_channels), global(y, sizes.y), global(argmax, sizes.argmax));
    });
  });
}

Status dgrad(const Context& context, const ConvReluPoolShape& shape, const float* dy, const float* y,
             const std::uint8_t* argmax, const float* w, float* dx, std::byte*) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_dgrad", s));
  const Sizes sizes(shape);
  return with_gather_tile(Index{s.in_h} * s.in_w, s.in_channels, [&]<class Tile>() {
    return with_vectors(s, [&]<int kVector, int kOutVector>() {
      return launch(context,
                    {"conv_relu_pool_dgrad", dgrad_grid<Tile>(s), kConvThreads, 0,
                     pooled_dgrad_work<Tile>(shape, kOutVector)},
                    dgrad_kernel<kVector, kOutVector, Tile>, s, Grid(shape.out_h, shape.out_w),
                    global(dy, sizes.y), global(y, sizes.y), global(argmax, sizes.argmax), global(w, sizes.w),
                    global(dx, sizes.x));
    });
  });
}

Status wgrad(const Context& context, const ConvReluPoolShape& shape, const Shards&, const float* x,
             const float* dy, const float* y, const std::uint8_t* argmax, float* dw, float* dbias,
             std::byte* workspace) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_wgrad", s));
  const Sizes sizes(shape);
  auto* partial = reinterpret_cast<float*>(workspace);
  BAUTA_TRY(with_wgrad_tile(s, [&]<class Tile>() {
    return with_vectors(s, [&]<int kVector, int kOutVector>() {
      const Split split = wgrad_split<Tile>(s);
      const dim3 grid = tiles_of<Tile>(wgrad_rows(s), s.out_channels, split.blocks);
      return launch(context,
                    {"conv_relu_pool_wgrad", grid, kConvThreads, 0, pooled_wgrad_work<Tile>(shape, kVector)},
                    wgrad_kernel<kVector, kOutVector, Tile>, s, Grid(shape.out_h, shape.out_w), split,
                    global(x, sizes.x), global(dy, sizes.y), global(y, sizes.y), global(argmax, sizes.argmax),
                    global(partial, partial_sums(s)));
    });
  }));
  return launch_add_partial_sums(context, "conv_relu_pool_wgrad_sums", partial_sums_work(s), s, partial, dw,
                                 dbias);
}

std::size_t workspace(const ConvReluPoolShape& s, int) { return wgrad_workspace(convolution(s)); }

}  // namespace

const ConvReluPoolBackend conv_relu_pool_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
