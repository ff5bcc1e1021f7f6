#pragma once

#include <memory>
#include <span>
#include <string>

#include "kernels/common.h"

namespace bauta {

struct Conv2dShape;
struct LinearShape;

/// Products as a vendor's libraries compute them: NVIDIA's cuDNN and cuBLASLt, a yardstick and a check. In
/// the context's precision: what is passed as void has elements that are floats in fp32, which never becomes
/// TF32, and bfloat16 in bf16, on tensor cores with fp32 sums. What is around the products is the ops' own
/// (kernels/NAME/NAME_vendor.cu). All is put into the context's stream; nothing is allocated and nothing
/// waited for. A product's sums have one order: the same bits on every run. Arrays are the device's, 64-byte
/// aligned; outputs are overwritten and overlap no input. Each fails, naming the library's call, where the
/// library does.
class VendorLibraries {
 public:
  virtual ~VendorLibraries() = default;

  /// Libraries and their versions: "cuDNN 9.19.0, cuBLASLt 13.2.1".
  virtual std::string description() const = 0;

  /// The convolution of conv2d.h without its bias, and its gradients. out_h and out_w are what the usual
  /// formula gives, neither more nor less. w and dw lie as [O,K,K,C]. Outputs in bf16 are rounded: cuDNN's
  /// classic interface has no others for operands in bf16.
  virtual Status conv2d_forward(const Context&, const Conv2dShape&, const void* x, const void* w,
                                void* y) = 0;
  virtual Status conv2d_dgrad(const Context&, const Conv2dShape&, const void* dy, const void* w,
                              void* dx) = 0;
  virtual Status conv2d_wgrad(const Context&, const Conv2dShape&, const void* x, const void* dy,
                              void* dw) = 0;

  /// The fully connected layer of linear.h without its ReLUs, and its gradients but for that of the bias.
  virtual Status linear_forward(const Context&, const LinearShape&, const void* x, const void* w,
                                const float* bias, float* y) = 0;
  virtual Status linear_dgrad(const Context&, const LinearShape&, const void* dy, const void* w,
                              float* dx) = 0;
  virtual Status linear_wgrad(const Context&, const LinearShape&, const void* x, const void* dy,
                              float* dw) = 0;
};

/// What the module bauta_vendor.so gives, by the name of kOpenVendorLibraries: makes the libraries ready for
/// the current GPU, or says in `status` why they are not. `scratch` is the GPU's memory, 256-byte aligned,
/// and theirs as long as they live.
using OpenVendorLibraries = void(std::span<std::byte> scratch, std::unique_ptr<VendorLibraries>& libraries,
                                 Status& status);
inline constexpr const char* kOpenVendorLibraries = "bauta_open_vendor_libraries";

}  // namespace bauta
