#pragma once

#include "kernels/conv2d/conv2d.h"
#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// Rows and columns of images.
struct Extent {
  int height, width;
};

/// A convolution whose products are a vendor's (kernels/vendor/vendor.h), and what its layouts and its one
/// padding for all sides make necessary: weights go to and from [O,K,K,C], and of x only that is handed over
/// which the demanded region reads. So cuDNN computes that region and, where padding lies behind it, up to
/// pad / stride rows and columns more, which nobody reads; in the study's network one each of the first two
/// layers, 2 and 4 % of their products.
class VendorConvolution {
 public:
  /// `s` is what is demanded. The context, and its workspace of workspace(s) bytes, outlive this.
  VendorConvolution(const Context& context, const Conv2dShape& s);

  static std::size_t workspace(const Conv2dShape&);  ///< bytes

  /// What the vendor is asked for; its output begins with what is demanded.
  const Conv2dShape& shape() const { return given_; }
  Extent out() const { return {given_.out_h, given_.out_w}; }
  /// [N,P,Q,O] of shape(), in the workspace.
  float* y() const { return y_; }

  /// y() = the convolution without its bias. x and w as in conv2d.h.
  Status forward(const float* x, const float* w) const;
  /// As in conv2d.h, from dy of shape(), in which zeros are around what is demanded.
  Status dgrad(const float* dy, const float* w, float* dx) const;
  Status wgrad(const float* x, const float* dy, float* dw, float* dbias) const;

 private:
  Status transpose_weights(const float* w) const;  // into w_
  Result<const float*> cropped(const float* x) const;

  const Context& context_;
  Conv2dShape demanded_, given_;
  float *w_, *y_, *sums_, *x_;  // in the workspace
};

/// Copies images [N, from, C] into arrays of another extent: `to` gets what both have, plus bias [C] unless
/// that is null, and zeros beyond.
Status launch_fit(const Context&, int batch, int channels, Extent from_extent, const float* from,
                  const float* bias, Extent to_extent, float* to);

}  // namespace bauta::BAUTA_DEVICE
