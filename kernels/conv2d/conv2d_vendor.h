#pragma once

#include "kernels/conv2d/conv2d.h"
#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// Rows and columns of images.
struct Extent {
  int height, width;

  bool operator==(const Extent&) const = default;
};

/// A convolution whose products are a vendor's (kernels/vendor/vendor.h), and what its layouts and its one
/// padding for all sides make necessary: weights go to and from [O,K,K,C], and of x only that is handed over
/// which the demanded region reads. So cuDNN computes that region and, where padding lies behind it, up to
/// pad / stride rows and columns more, which nobody reads; in the study's network one each of the first two
/// layers, 2 and 4 % of their products.
///
/// An Element is what the vendor's arrays are made of: float in fp32, bf16 in bf16. There x, w and dy are
/// rounded on their way to the vendor. What it computes it rounds, too, as cuDNN's classic interface has no
/// other output for such operands: y, dx and dw are widened as they are read. (PyTorch's autocast does so,
/// too.)
template <class Element>
class VendorConvolution {
 public:
  /// `s` is what is demanded. The context and its workspace, of vendor_convolution_workspace(s) bytes,
  /// outlive this.
  VendorConvolution(const Context& context, const Conv2dShape& s);

  /// What the vendor is asked for; its output begins with what is demanded.
  const Conv2dShape& shape() const { return given_; }
  Extent out() const { return {given_.out_h, given_.out_w}; }
  /// [N,P,Q,O] of shape(), in the workspace.
  Element* y() const { return y_; }
  /// Floats [N,P,Q,O], in the workspace: where dy can be put for dgrad and wgrad. In fp32 y() itself.
  float* gradient() const { return gradient_; }

  /// y() = the convolution without its bias. x and w as in conv2d.h.
  Status forward(const float* x, const float* w) const;
  /// As in conv2d.h, from dy [N, extent, O], which may have fewer rows and columns than out(): the rest is
  /// zero. Overwrites y(), unless dy is gradient().
  Status dgrad(Extent extent, const float* dy, const float* w, float* dx) const;
  Status wgrad(const float* x, Extent extent, const float* dy, float* dw, float* dbias) const;

 private:
  Status transpose_weights(const float* w) const;  // into w_
  // As the vendor gets them.
  Result<const Element*> given_x(const float* x) const;
  Result<const Element*> given_dy(Extent extent, const float* dy) const;

  const Context& context_;
  Conv2dShape demanded_, given_;
  Element *w_, *y_, *x_;  // in the workspace
  float *sums_, *gradient_;
};

extern template class VendorConvolution<float>;
extern template class VendorConvolution<bf16>;

/// Bytes of workspace for a convolution of this shape, in either precision.
std::size_t vendor_convolution_workspace(const Conv2dShape&);

/// Calls run.operator()<Element>() with the element of the vendor's arrays in a precision.
template <class Run>
Status with_vendor_element(Precision precision, const Run& run) {
  return precision == Precision::bf16 ? run.template operator()<bf16>() : run.template operator()<float>();
}

}  // namespace bauta::BAUTA_DEVICE
