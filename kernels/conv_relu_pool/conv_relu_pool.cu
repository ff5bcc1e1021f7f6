#include <limits>
#include <string>

#include "kernels/conv2d/conv2d_backends.h"
#include "kernels/conv2d/conv2d_work.h"
#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"
#include "kernels/conv_relu_pool/conv_relu_pool_patches.h"
#include "kernels/conv_relu_pool/conv_relu_pool_window.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// The convolution's positions, counted by windows, the four of each one after the other.
__device__ __forceinline__ Raster::Position position_of(const Raster& windows, int index) {
  const auto at = windows.position(index / 4);
  return {at.n, 2 * at.i + index % 4 / 2, 2 * at.j + index % 2};
}

/// A tile of positions by channels (conv2d_tiles.h). Positions are in an order that gives a thread the sums
/// of all four of a window, which it pools in its registers. Writes y and argmax once. Study's layers, batch
/// 32: 0.29, 1.2 and 0.15 G fma; MB of sectors read, mostly from caches, 44, 116 and 27, and written 10, 4.9
/// and 0.4. Bound by fma and the issue of instructions; conv3, with 128 blocks for 132 multiprocessors, by
/// latency. Not in whole sectors: the first layer's x (1.5x: three pixels of three channels are 36 bytes) and
/// argmax (2x, conv3's 8x: it is 1/16 of y). In bf16 conv3 moves as much; the others are computed by patches.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, kConvBlocks<Tile, kOutVector, 4>)
    forward_kernel(Conv2dShape s, Raster windows, FastDivmod by_channels, Global<const float> x,
                   Global<const float> w, Global<const float> bias, Global<float> y,
                   Global<std::uint8_t> argmax) {
  const int first_window = static_cast<int>(blockIdx.x) * (Tile::kRows / 4);
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto position = [&](int m) { return position_of(windows, 4 * first_window + Tile::in_fours(m)); };
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  forward_tile<kVector, kOutVector, Tile>(s, by_channels, x, w, bias, first_n, position, thread, sums);
  if (thread.part != 0) return;
  store_windows<kOutVector, Tile>(thread, sums, first_n, s.out_channels, y, argmax, [&](int row) {
    const int window = first_window + Tile::in_fours(row) / 4;
    return window < s.batch * (s.out_h / 2) * (s.out_w / 2) ? window : -1;
  });
}

// A vector of an operand that is computed from what is read; `read` makes it.
template <class Read>
struct Computed {
  Read read;

  __device__ __forceinline__ auto fetch() const { return read(); }
  template <class Slice>
  __device__ __forceinline__ void copy(Slice&& slice, int row, int column) const {
    fetch().put(slice, row, column);
  }
};
template <class Read>
__device__ __forceinline__ Computed<Read> computed(const Read& read) {
  return {read};
}

// The gradient of the convolution's output, in its pooled form.
struct PooledGradient {
  PooledValues pooled;
  Conv2dShape s;  // the convolution's
  Raster windows;

  // wgrad: positions are counted by windows, so that a slice holds all four of each.
  __device__ __forceinline__ int positions() const { return s.batch * s.out_h * s.out_w; }

  // k is a slice's, a multiple of four.
  __device__ __forceinline__ Place place(const Images& x, int k, int row) const {
    const auto at = windows.position(k / 4 + row / 4);
    return x.place(at.n, 2 * at.i * s.stride - s.pad, 2 * at.j * s.stride - s.pad) +
           x.step(row % 4 / 2 * s.stride, row % 2 * s.stride, 0);
  }

  template <int kVector, class Tile>
  __device__ __forceinline__ auto operand(int end, int first_o) const {
    using Windows = WindowsThreadMap<Tile, kVector, Tile::kDepth / 4, Tile::kColumns>;
    return BAUTA_DEVICE::operand<Windows>([=, this](int k) {
      const int o = first_o + Windows::column();
      return [=, this](int window) {
        return computed([=, this] {
          WindowValues<kVector> result;
          if (k + 4 * window < end && o < s.out_channels) result = pooled.read<kVector>(k / 4 + window, o);
          return result;
        });
      };
    });
  }
};

constexpr int kExpandThreads = 256;  // of a block

/// dgrad's first half: a thread writes a window's neighbouring channels at its four positions of the
/// convolution, for conv2d's dgrad to read, and zeros beyond the pooled ones, if there are any. Reads dy, y
/// and argmax once and writes four times y: 26 and 1.6 MB for the study's second and third layer, batch 32:
/// bound by memory, or by L2, which holds them. With it conv2d's dgrad moves 183 MB for the
/// second layer; to expand each tap's gradients on their way to shared memory moved 253, and was a third of
/// the inner loop's instructions. The zeros are multiplied: to skip them would leave a quarter, but which
/// sums of a tile an element belongs to would depend on its channel.
template <int kVector>
__global__ void __launch_bounds__(kExpandThreads)
    expand_gradient(int vectors, FastDivmod by_vectors, Conv2dShape s, Raster windows, int pooled_h,
                    int pooled_w, Global<const float> dy, Global<const float> y,
                    Global<const std::uint8_t> argmax, Global<float> dz) {
  const int i = static_cast<int>(blockIdx.x) * kExpandThreads + thread_in_group();
  if (i >= vectors) return;
  const auto place = by_vectors.divide(i);
  const int o = place.remainder * kVector;
  const auto at = windows.position(place.quotient);
  const PooledValues gradient{dy, y, argmax, s.out_channels, pooled_h, pooled_w};
  const WindowValues<kVector> window = gradient.template read_at<kVector>(at.n, at.i, at.j, o);
#pragma unroll
  for (int corner = 0; corner < 4; ++corner) {
    const int row = 2 * at.i + corner / 2;
    const int column = 2 * at.j + corner % 2;
    if (row >= s.out_h || column >= s.out_w) continue;
    const Index pixel = (Index{at.n} * s.out_h + row) * s.out_w + column;
    store_vector(dz + (pixel * s.out_channels + o), window.at(corner).values);
  }
}

/// A block's share of a tile of dw and dbias, over a range of windows. A slice holds the gradients of whole
/// windows, each read once and expanded to its four positions. The zeros are multiplied: to skip them, a lane
/// per channel would read x at its winner, one word of shared memory per fma, and those come at a quarter of
/// the rate of fma, so that nothing would be gained. Study's layers, batch 32: 0.29, 1.4 and 0.17 G fma, in
/// 491, 530 and 520 blocks; MB of sectors read, mostly from caches, 72, 122 and 14, and written 1.8, 7.8
/// and 7.7 of partial sums. Bound by fma and the issue of instructions. The first layer's x is not in whole
/// sectors (1.5x), as in forward. In bf16 conv3 moves 21 MB, in 440 blocks; the others are computed by
/// patches.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, kConvBlocks<Tile, kOutVector, 4>)
    wgrad_kernel(Conv2dShape s, Raster windows, SplitK split, Global<const float> x, Global<const float> dy,
                 Global<const float> y, Global<const std::uint8_t> argmax, Global<float> partial) {
  const PooledGradient gradient{{dy, y, argmax, s.out_channels, s.out_h / 2, s.out_w / 2}, s, windows};
  wgrad_tile<kVector, kOutVector, Tile>(s, Images{x, s.in_h, s.in_w, s.in_channels}, gradient, split,
                                        partial);
}

// argmax moves in whole sectors: where a tile does not have all of a window's channels, each window's bytes
// lie in a sector of their own.

// Bytes in the sectors that stores of argmax touch: a warp stores kStoreColumns / 4 bytes of a window at
// once, each time in a sector; windows shorter than a sector share one.
template <class Tile>
double argmax_moved_by_forward(const ConvReluPoolShape& shape) {
  const double windows = double{1} * shape.batch * shape.out_h * shape.out_w;
  constexpr int kStores = Tile::kColumns / Tile::kStoreColumns;
  return kStores * windows * ceil_div(shape.out_channels, Tile::kColumns) *
         std::min(32, shape.argmax_stride());
}

template <class Tile>
Work pooled_forward_work(const ConvReluPoolShape& shape, int vector) {
  const PooledSizes sizes(shape);
  return forward_work<Tile>(convolution(shape), vector, sizes.y_bytes() + sizes.argmax_bytes(),
                            sizes.y_bytes() + argmax_moved_by_forward<Tile>(shape));
}

template <class Tile>
Work pooled_wgrad_work(const ConvReluPoolShape& shape, int vector) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  const int column_tiles = ceil_div(s.out_channels, Tile::kColumns);
  const double windows = sizes.argmax_bytes() / shape.argmax_stride();
  const double argmax_moved = column_tiles == 1 ? sizes.argmax_bytes() : 32 * windows * column_tiles;
  return wgrad_work<Tile>(s, vector, sizes.gradient_bytes(),
                          (2 * sizes.y_bytes() + argmax_moved) * wgrad_row_tiles<Tile>(s));
}

Status forward(const Context& context, const ConvReluPoolShape& shape, const float* x, const float* w,
               const float* bias, float* y, std::uint8_t* argmax) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_forward", s));
  if (forward_has_patches(context.precision, s))
    return conv_relu_pool_forward_by_patches(context, shape, x, w, bias, y, argmax);
  const PooledSizes sizes(shape);
  return with_vectors(s, [&]<int kVector, int kOutVector>() {
    return with_implicit_gemm_tile<Pass::forward, kOutVector>(
        context.precision, Index{s.out_h} * s.out_w, s.out_channels, [&]<class Tile>() {
          const dim3 grid = tiles_of<Tile>(s.batch * s.out_h * s.out_w, s.out_channels, 1);
          return launch(
              context,
              {"conv_relu_pool_forward", grid, Tile::kThreads, 0, pooled_forward_work<Tile>(shape, kVector)},
              forward_kernel<kVector, kOutVector, Tile>, s, Raster(shape.out_h, shape.out_w),
              FastDivmod(s.in_channels), global(x, sizes.x), global(w, sizes.w), global(bias, s.out_channels),
              global(y, sizes.y), global(argmax, sizes.argmax));
        });
  });
}

template <int kVector>
Status expand(const Context& context, const ConvReluPoolShape& shape, const Conv2dShape& z, const float* dy,
              const float* y, const std::uint8_t* argmax, float* dz) {
  const PooledSizes sizes(shape);
  const Raster windows(ceil_div(z.out_h, 2), ceil_div(z.out_w, 2));
  const int vectors_of_window = z.out_channels / kVector;
  const Index vectors = Index{z.batch} * ceil_div(z.out_h, 2) * ceil_div(z.out_w, 2) * vectors_of_window;
  if (vectors > std::numeric_limits<int>::max() - kExpandThreads) {
    return Status::error(
        "conv_relu_pool: a batch of " + std::to_string(z.batch) + " has more than 2^31 gradients", {},
        "the CUDA kernels take smaller batches");
  }
  const auto blocks = static_cast<unsigned>(ceil_div<Index>(vectors, kExpandThreads));
  const Index dz_size = Index{z.batch} * z.out_h * z.out_w * z.out_channels;
  const double bytes = sizes.gradient_bytes() + 4 * static_cast<double>(dz_size);
  return launch(context, {"conv_relu_pool_expand", blocks, kExpandThreads, 0, {bytes, bytes}},
                expand_gradient<kVector>, static_cast<int>(vectors), FastDivmod(vectors_of_window), z,
                windows, shape.out_h, shape.out_w, global(dy, sizes.y), global(y, sizes.y),
                global(argmax, sizes.argmax), global(dz, dz_size));
}

Status dgrad(const Context& context, const ConvReluPoolShape& shape, const float* dy, const float* y,
             const std::uint8_t* argmax, const float* w, float* dx) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_dgrad", s));
  if (dgrad_has_patches(context.precision, s))
    return conv_relu_pool_dgrad_by_patches(context, shape, dy, y, argmax, w, dx);
  auto* dz = reinterpret_cast<float*>(context.workspace.data());
  BAUTA_TRY(launch_expand(context, shape, s, dy, y, argmax, dz));
  return conv2d_backend.dgrad(context, s, dz, w, dx);
}

// Leaves sums in the workspace.
Status wgrad_by_tiles(const Context& context, const ConvReluPoolShape& shape, const float* x, const float* dy,
                      const float* y, const std::uint8_t* argmax, float* partial) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  return with_wgrad_tile(context.precision, s, [&]<class Tile>() {
    return with_vectors(s, [&]<int kVector, int kOutVector>() {
      const SplitK split = wgrad_split<Tile>(s);
      const dim3 grid = tiles_of<Tile>(wgrad_rows(s), s.out_channels, split.blocks);
      return launch(
          context, {"conv_relu_pool_wgrad", grid, Tile::kThreads, 0, pooled_wgrad_work<Tile>(shape, kVector)},
          wgrad_kernel<kVector, kOutVector, Tile>, s, Raster(shape.out_h, shape.out_w), split,
          global(x, sizes.x), global(dy, sizes.y), global(y, sizes.y), global(argmax, sizes.argmax),
          global(partial, partial_sums(context.precision, s)));
    });
  });
}

Status wgrad(const Context& context, const ConvReluPoolShape& shape, const Shards&, const float* x,
             const float* dy, const float* y, const std::uint8_t* argmax, float* dw, float* dbias) {
  const Conv2dShape s = convolution(shape);
  BAUTA_TRY(check_pixels("conv_relu_pool_wgrad", s));
  auto* partial = reinterpret_cast<float*>(context.workspace.data());
  const auto leave_sums =
      wgrad_has_patches(context.precision, s) ? conv_relu_pool_wgrad_by_patches : wgrad_by_tiles;
  BAUTA_TRY(leave_sums(context, shape, x, dy, y, argmax, partial));
  return run_add_partial_sums(context, "conv_relu_pool_wgrad_sums", partial_sums_work(context.precision, s),
                              s, partial, dw, dbias);
}

// dgrad by tiles wants the gradient of the convolution whole, which has four times the pooled elements.
std::size_t workspace(const Context& context, const ConvReluPoolShape& s, Pass pass) {
  const Conv2dShape z = convolution(s);
  if (pass == Pass::wgrad) return wgrad_workspace(context.precision, z);
  const bool whole = pass == Pass::dgrad && !dgrad_has_patches(context.precision, z);
  return whole ? 4 * static_cast<std::size_t>(PooledSizes(s).y) * sizeof(float) : 0;
}

}  // namespace

Status launch_expand(const Context& context, const ConvReluPoolShape& shape, const Conv2dShape& z,
                     const float* dy, const float* y, const std::uint8_t* argmax, float* dz) {
  return shape.out_channels % 4 == 0 ? expand<4>(context, shape, z, dy, y, argmax, dz)
                                     : expand<1>(context, shape, z, dy, y, argmax, dz);
}

const ConvReluPoolBackend conv_relu_pool_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
