#include <algorithm>
#include <type_traits>

#include "kernels/conv2d/conv2d_backends.h"
#include "kernels/conv2d/conv2d_tiles.h"
#include "kernels/conv2d/conv2d_vendor.h"
#include "kernels/vendor/vendor.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 256;  // of a block, all kernels'

/// One block transposes a square of 32x32 by way of shared memory. Reads and writes everything once, in whole
/// sectors where rows and columns are multiples of 16: weights, which are few, so that the launch is the
/// cost.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    transpose(int rows, int columns, Global<const From> from, Global<To> to) {
  __shared__ Shared<float, 32, 33> tile;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(blockIdx.y) * 32;
  const int column = static_cast<int>(blockIdx.x) * 32;
  for (int i = warp; i < 32; i += kThreads / 32) {
    if (row + i < rows && column + lane < columns) {
      float value[1];
      load_vector(value, from + (Index{row + i} * columns + column + lane));
      tile[i][lane] = value[0];
    }
  }
  __syncthreads();
  for (int i = warp; i < 32; i += kThreads / 32) {
    if (column + i < columns && row + lane < rows) {
      const float value[1] = {tile[lane][i]};
      store_vector(to + (Index{column + i} * rows + row + lane), value);
    }
  }
}

/// One block writes a row of `to`, neighbouring elements by neighbouring threads, four each where the
/// channels are a multiple of 4. Reads what both have once and writes `to` once, in whole sectors where a row
/// is a multiple of 16 elements: bound by memory.
template <int kVector, class From, class To>
__global__ void __launch_bounds__(kThreads)
    fit(int channels, Extent from_extent, Extent to_extent, Global<const From> from, Global<const float> bias,
        Global<To> to) {
  const auto row = static_cast<int>(blockIdx.x);
  const int n = row / to_extent.height;
  const int i = row % to_extent.height;
  const Index from_row = (Index{n} * from_extent.height + i) * from_extent.width * channels;
  const Index to_row = Index{row} * to_extent.width * channels;
  const int both = i < from_extent.height ? min(from_extent.width, to_extent.width) * channels : 0;
  for (int e = static_cast<int>(threadIdx.x) * kVector; e < to_extent.width * channels;
       e += kThreads * kVector) {
    float values[kVector] = {};
    if (e < both) {
      load_vector(values, from + (from_row + e));
      float biases[kVector] = {};
      if (bias) load_vector(biases, bias + e % channels);
#pragma unroll
      for (int k = 0; k < kVector; ++k) values[k] += biases[k];
    }
    store_vector(to + (to_row + e), values);
  }
}

/// One block adds up 32 columns of a range of rows: a warp every eighth row, then the warps' sums in order.
/// Reads the matrix once, 32 neighbours per warp: bound by memory.
template <class From>
__global__ void __launch_bounds__(kThreads)
    column_sums(int rows, int rows_of_block, int columns, Global<const From> matrix, Global<float> sums) {
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
    for (int row = first + warp; row < end; row += kWarps) {
      float value[1];
      load_vector(value, matrix + (Index{row} * columns + column));
      sum += value[0];
    }
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

int weight_rows(const Conv2dShape& s) { return s.kernel * s.kernel * s.in_channels; }
Extent in_of(const Conv2dShape& s) { return {s.in_h, s.in_w}; }
Extent out_of(const Conv2dShape& s) { return {s.out_h, s.out_w}; }

// Whether the vendor takes, or writes, an array of ours as it is.
template <class Element>
bool taken_as_is(const Extent& ours, const Extent& vendors) {
  return std::is_same_v<Element, float> && ours == vendors;
}

// Where arrays begin in the workspace, in bytes.
template <class Element>
struct Places {
  std::size_t w, y, sums, x, gradient, end;

  Places(const Conv2dShape& demanded, const Conv2dShape& given) {
    const auto bytes = [](Index elements, std::size_t size) {
      return (static_cast<std::size_t>(elements) * size + 63) / 64 * 64;
    };
    const bool x_taken_as_is = taken_as_is<Element>(in_of(demanded), in_of(given));
    const Conv2dSizes sizes(given);
    w = 0;
    y = bytes(sizes.w, sizeof(Element));
    sums = y + bytes(sizes.y, sizeof(Element));
    x = sums + bytes(Index{kSumBlocks} * given.out_channels, sizeof(float));
    end = x + bytes(x_taken_as_is ? 0 : sizes.x, sizeof(Element));
    gradient = y;
    if constexpr (!std::is_same_v<Element, float>) {
      gradient = end;
      end += bytes(sizes.y, sizeof(float));
    }
  }
};

// Of a pass. What the vendor's kernels move is not known.
template <class Element>
Work product_work(const Conv2dShape& s) {
  const Conv2dSizes sizes(s);
  const auto elements = static_cast<double>(sizes.x + sizes.w + sizes.y);
  return {0, sizeof(Element) * elements, static_cast<double>(sizes.y) * weight_rows(s)};
}

template <class From, class To>
Status launch_transpose(const Context& context, int rows, int columns, const From* from, To* to) {
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), static_cast<unsigned>(ceil_div(rows, 32)));
  const Index size = Index{rows} * columns;
  const double moved = static_cast<double>(sizeof(From) + sizeof(To)) * static_cast<double>(size);
  return launch(context, {"conv2d_vendor_transpose", grid, kThreads, 0, {moved, moved}}, transpose<From, To>,
                rows, columns, global(from, size), global(to, size));
}

template <class From>
Status launch_column_sums(const Context& context, int rows, int blocks, int columns, const From* matrix,
                          float* sums) {
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), static_cast<unsigned>(blocks));
  const Index size = Index{rows} * columns;
  const Index sums_size = Index{blocks} * columns;
  const double moved =
      static_cast<double>(sizeof(From)) * static_cast<double>(size) + 4.0 * static_cast<double>(sums_size);
  return launch(context, {"conv2d_vendor_column_sums", grid, kThreads, 0, {moved, moved}}, column_sums<From>,
                rows, ceil_div(rows, blocks), columns, global(matrix, size), global(sums, sums_size));
}

// Copies images [N, from, C] into arrays of another extent, or of other elements: `to` gets what both have,
// plus bias [C] unless that is null, and zeros beyond.
template <class From, class To>
Status launch_fit(const Context& context, int batch, int channels, Extent from_extent, const From* from,
                  const float* bias, Extent to_extent, To* to) {
  const auto size = [&](const Extent& e) { return Index{batch} * e.height * e.width * channels; };
  const Index both =
      size({std::min(from_extent.height, to_extent.height), std::min(from_extent.width, to_extent.width)});
  const double floor = static_cast<double>(sizeof(From)) * static_cast<double>(both) +
                       static_cast<double>(sizeof(To)) * static_cast<double>(size(to_extent));
  // A warp reads the biases of the channels that it has again each time.
  const int of_warp = channels % 4 == 0 ? 128 : 32;
  const double again =
      bias == nullptr ? 0 : 4.0 * std::min(channels, of_warp) * static_cast<double>(both) / of_warp;
  const auto rows = static_cast<unsigned>(batch * to_extent.height);
  return launch(context, {"conv2d_vendor_fit", rows, kThreads, 0, {floor + again, floor}},
                channels % 4 == 0 ? fit<4, From, To> : fit<1, From, To>, channels, from_extent, to_extent,
                global(from, size(from_extent)), global(bias, channels), global(to, size(to_extent)));
}

}  // namespace

std::size_t vendor_convolution_workspace(const Conv2dShape& s) {
  return std::max(Places<float>(s, padded_alike(s)).end, Places<bf16>(s, padded_alike(s)).end);
}

template <class Element>
VendorConvolution<Element>::VendorConvolution(const Context& context, const Conv2dShape& s)
    : context_(context), demanded_(s), given_(padded_alike(s)) {
  const Places<Element> places(demanded_, given_);
  std::byte* const workspace = context.workspace.data();
  w_ = reinterpret_cast<Element*>(workspace + places.w);
  y_ = reinterpret_cast<Element*>(workspace + places.y);
  sums_ = reinterpret_cast<float*>(workspace + places.sums);
  x_ = reinterpret_cast<Element*>(workspace + places.x);
  gradient_ = reinterpret_cast<float*>(workspace + places.gradient);
}

template <class Element>
Status VendorConvolution<Element>::transpose_weights(const float* w) const {
  return launch_transpose(context_, weight_rows(given_), given_.out_channels, w, w_);
}

template <class Element>
Result<const Element*> VendorConvolution<Element>::given_x(const float* x) const {
  if (taken_as_is<Element>(in_of(demanded_), in_of(given_))) return reinterpret_cast<const Element*>(x);
  BAUTA_TRY(launch_fit(context_, given_.batch, given_.in_channels, in_of(demanded_), x, nullptr,
                       in_of(given_), x_));
  return x_;
}

template <class Element>
Result<const Element*> VendorConvolution<Element>::given_dy(Extent extent, const float* dy) const {
  if (taken_as_is<Element>(extent, out())) return reinterpret_cast<const Element*>(dy);
  BAUTA_TRY(launch_fit(context_, given_.batch, given_.out_channels, extent, dy, nullptr, out(), y_));
  return y_;
}

template <class Element>
Status VendorConvolution<Element>::forward(const float* x, const float* w) const {
  BAUTA_TRY(transpose_weights(w));
  const auto to_vendor = given_x(x);
  BAUTA_TRY(to_vendor.status());
  return launch_vendor(context_, "conv2d_vendor_forward", product_work<Element>(given_),
                       [&] { return context_.vendor->conv2d_forward(context_, given_, *to_vendor, w_, y_); });
}

template <class Element>
Status VendorConvolution<Element>::dgrad(Extent extent, const float* dy, const float* w, float* dx) const {
  BAUTA_TRY(transpose_weights(w));
  const auto to_vendor = given_dy(extent, dy);
  BAUTA_TRY(to_vendor.status());
  const auto product = [&](void* vendors_dx) {
    return launch_vendor(context_, "conv2d_vendor_dgrad", product_work<Element>(given_), [&] {
      return context_.vendor->conv2d_dgrad(context_, given_, *to_vendor, w_, vendors_dx);
    });
  };
  if (taken_as_is<Element>(in_of(demanded_), in_of(given_))) return product(dx);
  BAUTA_TRY(product(x_));
  return launch_fit(context_, given_.batch, given_.in_channels, in_of(given_), x_, nullptr, in_of(demanded_),
                    dx);
}

template <class Element>
Status VendorConvolution<Element>::wgrad(const float* x, Extent extent, const float* dy, float* dw,
                                         float* dbias) const {
  const auto x_to_vendor = given_x(x);
  BAUTA_TRY(x_to_vendor.status());
  const auto dy_to_vendor = given_dy(extent, dy);
  BAUTA_TRY(dy_to_vendor.status());
  BAUTA_TRY(launch_vendor(context_, "conv2d_vendor_wgrad", product_work<Element>(given_), [&] {
    return context_.vendor->conv2d_wgrad(context_, given_, *x_to_vendor, *dy_to_vendor, w_);
  }));
  BAUTA_TRY(launch_transpose(context_, given_.out_channels, weight_rows(given_), w_, dw));
  const int rows = given_.batch * given_.out_h * given_.out_w;
  const int blocks = std::min(kSumBlocks, ceil_div(rows, kRowsOfBlock));
  BAUTA_TRY(launch_column_sums(context_, rows, blocks, given_.out_channels, *dy_to_vendor, sums_));
  return launch_column_sums(context_, blocks, 1, given_.out_channels, sums_, dbias);
}

template class VendorConvolution<float>;
template class VendorConvolution<bf16>;

namespace {

Status forward(const Context& context, const Conv2dShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> convolution(context, s);
    BAUTA_TRY(check_pixels("conv2d_forward", convolution.shape()));
    BAUTA_TRY(convolution.forward(x, w));
    return launch_fit(context, s.batch, s.out_channels, convolution.out(), convolution.y(), bias, out_of(s),
                      y);
  });
}

Status dgrad(const Context& context, const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> convolution(context, s);
    BAUTA_TRY(check_pixels("conv2d_dgrad", convolution.shape()));
    return convolution.dgrad(out_of(s), dy, w, dx);
  });
}

Status wgrad(const Context& context, const Conv2dShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> convolution(context, s);
    BAUTA_TRY(check_pixels("conv2d_wgrad", convolution.shape()));
    return convolution.wgrad(x, out_of(s), dy, dw, dbias);
  });
}

std::size_t workspace(const Context&, const Conv2dShape& s, Pass) { return vendor_convolution_workspace(s); }

}  // namespace

const Conv2dBackend conv2d_vendor_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
