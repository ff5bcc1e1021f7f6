#include "kernels/conv2d/conv2d_backends.h"
#include "kernels/conv2d/conv2d_work.h"

namespace bauta::BAUTA_DEVICE {
namespace {

/// A tile of positions by channels (conv2d_tiles.h). Reads x K²/stride² times for every tile of columns
/// (64, or 32 where channels or positions are few): in bf16 and with single floats mostly from L1, with fp32
/// vectors from L2 (cp.async.cg). Reads w once for every tile of positions; writes y once. Bound by fma and
/// the issue of instructions. x of fewer than 8 channels is not read in whole sectors.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, kConvBlocks<Tile, kOutVector, 4>)
    forward_kernel(Conv2dShape s, Raster positions, FastDivmod by_channels, Global<const float> x,
                   Global<const float> w, Global<const float> bias, Global<float> y) {
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto position = [&](int m) { return positions.position(first_m + m); };
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  forward_tile<kVector, kOutVector, Tile>(s, by_channels, x, w, bias, first_n, position, thread, sums);
  store_sums<kOutVector, Tile>(thread, sums, first_n, s.out_channels, y, [&](int m) {
    return first_m + m < s.batch * s.out_h * s.out_w ? Index{first_m + m} * s.out_channels : Index{-1};
  });
}

// wgrad's gradient of y.
struct Gradient {
  Ptr<const float> dy;
  Conv2dShape s;
  Raster raster;

  __device__ __forceinline__ int positions() const { return s.batch * s.out_h * s.out_w; }

  __device__ __forceinline__ Place place(const Images& x, int k, int row) const {
    const auto at = raster.position(k + row);
    return x.place(at.n, at.i * s.stride - s.pad, at.j * s.stride - s.pad);
  }

  template <int kVector, class Tile>
  __device__ __forceinline__ auto operand(int end, int first_o) const {
    return mn_major_operand<Tile, kVector, Tile::kColumns>(dy, end, s.out_channels, first_o);
  }
};

/// A tile of dx, of one phase: the same product with x and y changing places. Where w's in- or
/// out-channels are no multiple of 4, dx is written by single floats, not in whole sectors.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, kConvBlocks<Tile, kOutVector, Tile::kParts == 1 ? 3 : 2>)
    dgrad_kernel(Conv2dShape s, PhaseRasters rasters, FastDivmod by_channels, Global<const float> dy,
                 Global<const float> w, Global<float> dx) {
  dgrad_tile<kVector, kOutVector, Tile>(s, rasters, by_channels, Images{dy, s.out_h, s.out_w, s.out_channels},
                                        w, dx);
}

/// A block's share of a tile of dw and dbias, over a range of positions; see add_partial_sums.
template <int kVector, int kOutVector, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, kConvBlocks<Tile, kOutVector, 4>)
    wgrad_kernel(Conv2dShape s, Raster positions, SplitK split, Global<const float> x, Global<const float> dy,
                 Global<float> partial) {
  const Gradient gradient{dy, s, positions};
  wgrad_tile<kVector, kOutVector, Tile>(s, Images{x, s.in_h, s.in_w, s.in_channels}, gradient, split,
                                        partial);
}

Status forward(const Context& context, const Conv2dShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  BAUTA_TRY(check_pixels("conv2d_forward", s));
  const Conv2dSizes sizes(s);
  if (forward_has_patches(context.precision, s)) return conv2d_forward_by_patches(context, s, x, w, bias, y);
  return with_vectors(s, [&]<int kVector, int kOutVector>() {
    return with_implicit_gemm_tile<Pass::forward, kOutVector>(
        context.precision, Index{s.out_h} * s.out_w, s.out_channels, [&]<class Tile>() {
          const dim3 grid = tiles_of<Tile>(s.batch * s.out_h * s.out_w, s.out_channels, 1);
          const Work work = forward_work<Tile>(s, kVector, sizes.y_bytes(), sizes.y_bytes());
          return launch(context, {"conv2d_forward", grid, Tile::kThreads, 0, work},
                        forward_kernel<kVector, kOutVector, Tile>, s, Raster(s.out_h, s.out_w),
                        FastDivmod(s.in_channels), global(x, sizes.x), global(w, sizes.w),
                        global(bias, s.out_channels), global(y, sizes.y));
        });
  });
}

Status dgrad(const Context& context, const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  BAUTA_TRY(check_pixels("conv2d_dgrad", s));
  const Conv2dSizes sizes(s);
  if (dgrad_has_patches(context.precision, s)) return conv2d_dgrad_by_patches(context, s, dy, w, dx);
  return with_vectors(s, [&]<int kVector, int kOutVector>() {
    return with_implicit_gemm_tile<Pass::dgrad, kOutVector>(
        context.precision, Index{s.in_h} * s.in_w, s.in_channels, [&]<class Tile>() {
          const Work work = dgrad_work<Tile>(s, sizes.y_bytes(), 4 * pairs_inside(s) * s.out_channels);
          return launch(context, {"conv2d_dgrad", dgrad_grid<Tile>(s), Tile::kThreads, 0, work},
                        dgrad_kernel<kVector, kOutVector, Tile>, s, PhaseRasters(s),
                        FastDivmod(s.out_channels), global(dy, sizes.y), global(w, sizes.w),
                        global(dx, sizes.x));
        });
  });
}

// Leaves sums in the workspace.
Status wgrad_by_tiles(const Context& context, const Conv2dShape& s, const float* x, const float* dy,
                      float* partial) {
  const Conv2dSizes sizes(s);
  return with_wgrad_tile(context.precision, s, [&]<class Tile>() {
    return with_vectors(s, [&]<int kVector, int kOutVector>() {
      const SplitK split = wgrad_split<Tile>(s);
      const dim3 grid = tiles_of<Tile>(wgrad_rows(s), s.out_channels, split.blocks);
      const Work work =
          wgrad_work<Tile>(s, kVector, sizes.y_bytes(), sizes.y_bytes() * wgrad_row_tiles<Tile>(s));
      return launch(context, {"conv2d_wgrad", grid, Tile::kThreads, 0, work},
                    wgrad_kernel<kVector, kOutVector, Tile>, s, Raster(s.out_h, s.out_w), split,
                    global(x, sizes.x), global(dy, sizes.y),
                    global(partial, partial_sums(context.precision, s)));
    });
  });
}

Status wgrad(const Context& context, const Conv2dShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  BAUTA_TRY(check_pixels("conv2d_wgrad", s));
  auto* partial = reinterpret_cast<float*>(context.workspace.data());
  const auto leave_sums = wgrad_has_patches(context.precision, s) ? conv2d_wgrad_by_patches : wgrad_by_tiles;
  BAUTA_TRY(leave_sums(context, s, x, dy, partial));
  return run_add_partial_sums(context, "conv2d_wgrad_sums", partial_sums_work(context.precision, s), s,
                              partial, dw, dbias);
}

std::size_t workspace(const Context& context, const Conv2dShape& s, Pass pass) {
  return pass == Pass::wgrad ? wgrad_workspace(context.precision, s) : 0;
}

}  // namespace

const Conv2dBackend conv2d_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
