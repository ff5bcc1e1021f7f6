#include <algorithm>

#include "kernels/conv2d/conv2d_tiles.h"
#include "kernels/conv2d/conv2d_vendor.h"
#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"
#include "kernels/conv_relu_pool/conv_relu_pool_window.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 256;

/// One block pools two rows of a convolution z, whose extent may be more than is pooled: a thread takes four
/// channels of a window in turn, adds the bias, and writes y and a byte of argmax. The vendor could add the
/// bias and take ReLU with its products; here they come with the reading of z, which pooling has to do in any
/// case. Reads z once and writes y once, in whole sectors where the channels are a multiple of 8: bound by
/// memory.
template <int kVector, class Element>
__global__ void __launch_bounds__(kThreads)
    pool(ConvReluPoolShape s, Extent z_extent, Global<const Element> z, Global<const float> bias,
         Global<float> y, Global<std::uint8_t> argmax) {
  const auto row = static_cast<int>(blockIdx.x);
  const int n = row / s.out_h;
  const int p = row % s.out_h;
  const int fours = ceil_div(s.out_channels, 4);
  for (int item = static_cast<int>(threadIdx.x); item < s.out_w * fours; item += kThreads) {
    const int q = item / fours;
    const int o = item % fours * 4;
    const int channels = s.out_channels - o;
    float biases[4], values[4][4], pooled[4];
    load_channels<kVector>(biases, bias + o, channels);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Index at = (Index{n} * z_extent.height + 2 * p + k / 2) * z_extent.width + 2 * q + k % 2;
      load_channels<kVector>(values[k], z + (at * s.out_channels + o), channels);
#pragma unroll
      for (int c = 0; c < 4; ++c) values[k][c] += biases[c];
    }
    const unsigned winners = pool_channels(values, channels, pooled);
    const Index window = Index{row} * s.out_w + q;
    store_channels<kVector>(y + (window * s.out_channels + o), pooled, channels);
    if (argmax) argmax[window * fours + o / 4] = static_cast<std::uint8_t>(winners);
  }
}

template <class Element>
Status launch_pool(const Context& context, const ConvReluPoolShape& s, const VendorConvolution<Element>& z,
                   const float* bias, float* y, std::uint8_t* argmax) {
  const PooledSizes sizes(s);
  const auto y_elements = static_cast<double>(sizes.y);
  const double argmax_bytes = argmax == nullptr ? 0 : sizes.argmax_bytes();
  const double floor = (4 * sizeof(Element) + sizeof(float)) * y_elements + argmax_bytes;
  // A warp reads the biases of the channels that it has.
  const double again = y_elements / 128 * std::min(4 * s.out_channels, 512);
  const Launch shape = {"conv_relu_pool_vendor_pool",
                        static_cast<unsigned>(s.batch * s.out_h),
                        kThreads,
                        0,
                        {floor + again, floor}};
  return launch(context, shape, s.out_channels % 4 == 0 ? pool<4, Element> : pool<1, Element>, s, z.out(),
                global(z.y(), Conv2dSizes(z.shape()).y), global(bias, s.out_channels), global(y, sizes.y),
                global(argmax, sizes.argmax));
}

Status forward(const Context& context, const ConvReluPoolShape& s, const float* x, const float* w,
               const float* bias, float* y, std::uint8_t* argmax) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> z(context, convolution(s));
    BAUTA_TRY(check_pixels("conv_relu_pool_forward", z.shape()));
    BAUTA_TRY(z.forward(x, w));
    return launch_pool(context, s, z, bias, y, argmax);
  });
}

Status dgrad(const Context& context, const ConvReluPoolShape& s, const float* dy, const float* y,
             const std::uint8_t* argmax, const float* w, float* dx) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> z(context, convolution(s));
    BAUTA_TRY(check_pixels("conv_relu_pool_dgrad", z.shape()));
    BAUTA_TRY(launch_expand(context, s, z.shape(), dy, y, argmax, z.gradient()));
    return z.dgrad(z.out(), z.gradient(), w, dx);
  });
}

Status wgrad(const Context& context, const ConvReluPoolShape& s, const Shards&, const float* x,
             const float* dy, const float* y, const std::uint8_t* argmax, float* dw, float* dbias) {
  return with_vendor_element(context.precision, [&]<class Element>() -> Status {
    const VendorConvolution<Element> z(context, convolution(s));
    BAUTA_TRY(check_pixels("conv_relu_pool_wgrad", z.shape()));
    BAUTA_TRY(launch_expand(context, s, z.shape(), dy, y, argmax, z.gradient()));
    return z.wgrad(x, z.out(), z.gradient(), dw, dbias);
  });
}

std::size_t workspace(const Context&, const ConvReluPoolShape& s, Pass) {
  return vendor_convolution_workspace(convolution(s));
}

}  // namespace

const ConvReluPoolBackend conv_relu_pool_vendor_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
