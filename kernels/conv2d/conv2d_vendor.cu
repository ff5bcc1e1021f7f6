#include <algorithm>

#include "kernels/conv2d/conv2d_backends.h"
#include "kernels/conv2d/conv2d_tiles.h"
#include "kernels/conv2d/conv2d_vendor.h"
#include "kernels/vendor/vendor.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 256;  // of a block, all kernels'

/// One block transposes a square of 32x32 by way of shared memory. Reads and writes everything once, in whole
/// sectors where rows and columns are multiples of 8: weights, which are few, so that the launch is the cost.
__global__ void __launch_bounds__(kThreads)
    transpose(int rows, int columns, Global<const float> from, Global<float> to) {
  __shared__ Shared<float, 32, 33> tile;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(blockIdx.y) * 32;
  const int column = static_cast<int>(blockIdx.x) * 32;
  for (int i = warp; i < 32; i += kThreads / 32) {
    if (row + i < rows && column + lane < columns) {
      tile[i][lane] = from[Index{row + i} * columns + column + lane];
    }
  }
  __syncthreads();
  for (int i = warp; i < 32; i += kThreads / 32) {
    if (column + i < columns && row + lane < rows) {
      const float value = tile[lane][i];
      to[Index{column + i} * rows + row + lane] = value;
    }
  }
}

/// One block writes a row of `to`, of which a thread takes four channels of a pixel in turn. Reads what both
/// have once and writes `to` once, in whole sectors where the channels are a multiple of 8: bound by memory.
template <int kVector>
__global__ void __launch_bounds__(kThreads)
    fit(int channels, Extent from_extent, Extent to_extent, Global<const float> from,
        Global<const float> bias, Global<float> to) {
  const auto row = static_cast<int>(blockIdx.x);
  const int n = row / to_extent.height;
  const int i = row % to_extent.height;
  const int fours = ceil_div(channels, 4);
  for (int item = static_cast<int>(threadIdx.x); item < to_extent.width * fours; item += kThreads) {
    const int j = item / fours;
    const int c = item % fours * 4;
    float values[4] = {};
    if (i < from_extent.height && j < from_extent.width) {
      const Index pixel = (Index{n} * from_extent.height + i) * from_extent.width + j;
      load_channels<kVector>(values, from + (pixel * channels + c), channels - c);
      float biases[4] = {};
      if (bias) load_channels<kVector>(biases, bias + c, channels - c);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[k] += biases[k];
    }
    store_channels<kVector>(to + ((Index{row} * to_extent.width + j) * channels + c), values, channels - c);
  }
}

/// One block adds up 32 columns of a range of rows: a warp every eighth row, then the warps' sums in order.
/// Reads the matrix once, 128 bytes per warp: bound by memory.
__global__ void __launch_bounds__(kThreads)
    column_sums(int rows, int rows_of_block, int columns, Global<const float> matrix, Global<float> sums) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Shared<float, kWarps, 32> shares;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int column = static_cast<int>(blockIdx.x) * 32 + lane;
  const int first = static_cast<int>(blockIdx.y) * rows_of_block;
  const int end = min(rows, first + rows_of_block);
  float sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int row = first + warp; row < end; row += kWarps) sum += matrix[Index{row} * columns + column];
  }
  shares[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= columns) return;
  for (int other = 1; other < kWarps; ++other) sum += shares[other][lane];
  sums[Index{blockIdx.y} * columns + column] = sum;
}

constexpr int kSumBlocks = 256;   // that share the rows of column_sums, at most,
constexpr int kRowsOfBlock = 64;  // and rows that are worth a block

// The convolution that has what is demanded first, padded alike on all sides.
Conv2dShape padded_alike(const Conv2dShape& demanded) {
  Conv2dShape s = demanded;
  const auto rows_read = [&](int out, int in) {
    return std::min(in, (out - 1) * s.stride - s.pad + s.kernel);
  };
  const auto rows_given = [&](int in) { return (in + 2 * s.pad - s.kernel) / s.stride + 1; };
  s.in_h = rows_read(s.out_h, s.in_h);
  s.in_w = rows_read(s.out_w, s.in_w);
  s.out_h = rows_given(s.in_h);
  s.out_w = rows_given(s.in_w);
  return s;
}

Index x_size(const Conv2dShape& s) { return Index{s.batch} * s.in_h * s.in_w * s.in_channels; }
Index y_size(const Conv2dShape& s) { return Index{s.batch} * s.out_h * s.out_w * s.out_channels; }
int weight_rows(const Conv2dShape& s) { return s.kernel * s.kernel * s.in_channels; }
Extent in_of(const Conv2dShape& s) { return {s.in_h, s.in_w}; }

// Whether the vendor is to see less of x than there is.
bool crops(const Conv2dShape& demanded, const Conv2dShape& given) {
  return given.in_h != demanded.in_h || given.in_w != demanded.in_w;
}

// Where arrays begin in the workspace, in floats.
struct Places {
  Index w, y, sums, x, end;

  Places(const Conv2dShape& demanded, const Conv2dShape& given) {
    const auto aligned = [](Index floats) { return (floats + 15) / 16 * 16; };
    w = 0;
    y = aligned(Index{weight_rows(given)} * given.out_channels);
    sums = y + aligned(y_size(given));
    x = sums + aligned(Index{kSumBlocks} * given.out_channels);
    end = x + (crops(demanded, given) ? x_size(given) : 0);
  }
};

Status launch_transpose(const Context& context, int rows, int columns, const float* from, float* to) {
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), static_cast<unsigned>(ceil_div(rows, 32)));
  const Index size = Index{rows} * columns;
  const double moved = 8.0 * static_cast<double>(size);
  return launch(context, {"conv2d_vendor_transpose", grid, kThreads, 0, {moved, moved}}, transpose, rows,
                columns, global(from, size), global(to, size));
}

Status launch_column_sums(const Context& context, int rows, int blocks, int columns, const float* matrix,
                          float* sums) {
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), static_cast<unsigned>(blocks));
  const Index size = Index{rows} * columns;
  const double moved = 4.0 * static_cast<double>(size + Index{blocks} * columns);
  return launch(context, {"conv2d_vendor_column_sums", grid, kThreads, 0, {moved, moved}}, column_sums, rows,
                ceil_div(rows, blocks), columns, global(matrix, size), global(sums, Index{blocks} * columns));
}

}  // namespace

Status launch_fit(const Context& context, int batch, int channels, Extent from_extent, const float* from,
                  const float* bias, Extent to_extent, float* to) {
  const auto size = [&](const Extent& e) { return Index{batch} * e.height * e.width * channels; };
  const Extent both = {std::min(from_extent.height, to_extent.height),
                       std::min(from_extent.width, to_extent.width)};
  const double floor = 4.0 * static_cast<double>(size(both) + size(to_extent));
  // A warp reads the biases of the channels that it has, up to all 128, again with every four.
  const double again =
      bias == nullptr ? 0 : static_cast<double>(size(both)) / 128 * std::min(4 * channels, 512);
  const auto rows = static_cast<unsigned>(batch * to_extent.height);
  return launch(context, {"conv2d_vendor_fit", rows, kThreads, 0, {floor + again, floor}},
                channels % 4 == 0 ? fit<4> : fit<1>, channels, from_extent, to_extent,
                global(from, size(from_extent)), global(bias, channels), global(to, size(to_extent)));
}

VendorConvolution::VendorConvolution(const Context& context, const Conv2dShape& s)
    : context_(context), demanded_(s), given_(padded_alike(s)) {
  const Places places(demanded_, given_);
  auto* floats = reinterpret_cast<float*>(context.workspace.data());
  w_ = floats + places.w;
  y_ = floats + places.y;
  sums_ = floats + places.sums;
  x_ = floats + places.x;
}

std::size_t VendorConvolution::workspace(const Conv2dShape& s) {
  return static_cast<std::size_t>(Places(s, padded_alike(s)).end) * sizeof(float);
}

Status VendorConvolution::transpose_weights(const float* w) const {
  return launch_transpose(context_, weight_rows(given_), given_.out_channels, w, w_);
}

Result<const float*> VendorConvolution::cropped(const float* x) const {
  if (!crops(demanded_, given_)) return x;
  BAUTA_TRY(launch_fit(context_, given_.batch, given_.in_channels, in_of(demanded_), x, nullptr,
                       in_of(given_), x_));
  return x_;
}

Status VendorConvolution::forward(const float* x, const float* w) const {
  BAUTA_TRY(transpose_weights(w));
  const auto given_x = cropped(x);
  BAUTA_TRY(given_x.status());
  return context_.vendor->conv2d_forward(context_, given_, *given_x, w_, y_);
}

Status VendorConvolution::dgrad(const float* dy, const float* w, float* dx) const {
  BAUTA_TRY(transpose_weights(w));
  if (!crops(demanded_, given_)) return context_.vendor->conv2d_dgrad(context_, given_, dy, w_, dx);
  BAUTA_TRY(context_.vendor->conv2d_dgrad(context_, given_, dy, w_, x_));
  return launch_fit(context_, given_.batch, given_.in_channels, in_of(given_), x_, nullptr, in_of(demanded_),
                    dx);
}

Status VendorConvolution::wgrad(const float* x, const float* dy, float* dw, float* dbias) const {
  const auto given_x = cropped(x);
  BAUTA_TRY(given_x.status());
  BAUTA_TRY(context_.vendor->conv2d_wgrad(context_, given_, *given_x, dy, w_));
  BAUTA_TRY(launch_transpose(context_, given_.out_channels, weight_rows(given_), w_, dw));
  const int rows = given_.batch * given_.out_h * given_.out_w;
  const int blocks = std::min(kSumBlocks, ceil_div(rows, kRowsOfBlock));
  BAUTA_TRY(launch_column_sums(context_, rows, blocks, given_.out_channels, dy, sums_));
  return launch_column_sums(context_, blocks, 1, given_.out_channels, sums_, dbias);
}

namespace {

bool gives_what_is_demanded(const VendorConvolution& convolution, const Conv2dShape& s) {
  return convolution.out().height == s.out_h && convolution.out().width == s.out_w;
}

// dy with zeros around it, where the vendor computes more than is demanded.
Result<const float*> widened(const Context& context, const VendorConvolution& convolution,
                             const Conv2dShape& s, const float* dy) {
  if (gives_what_is_demanded(convolution, s)) return dy;
  BAUTA_TRY(launch_fit(context, s.batch, s.out_channels, {s.out_h, s.out_w}, dy, nullptr, convolution.out(),
                       convolution.y()));
  return convolution.y();
}

Status forward(const Context& context, const Conv2dShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  const VendorConvolution convolution(context, s);
  BAUTA_TRY(check_pixels("conv2d_forward", convolution.shape()));
  BAUTA_TRY(convolution.forward(x, w));
  return launch_fit(context, s.batch, s.out_channels, convolution.out(), convolution.y(), bias,
                    {s.out_h, s.out_w}, y);
}

Status dgrad(const Context& context, const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  const VendorConvolution convolution(context, s);
  BAUTA_TRY(check_pixels("conv2d_dgrad", convolution.shape()));
  const auto given_dy = widened(context, convolution, s, dy);
  BAUTA_TRY(given_dy.status());
  return convolution.dgrad(*given_dy, w, dx);
}

Status wgrad(const Context& context, const Conv2dShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  const VendorConvolution convolution(context, s);
  BAUTA_TRY(check_pixels("conv2d_wgrad", convolution.shape()));
  const auto given_dy = widened(context, convolution, s, dy);
  BAUTA_TRY(given_dy.status());
  return convolution.wgrad(x, *given_dy, dw, dbias);
}

}  // namespace

const Conv2dBackend conv2d_vendor_backend = {forward, dgrad, wgrad, VendorConvolution::workspace};

}  // namespace bauta::BAUTA_DEVICE
