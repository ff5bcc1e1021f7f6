#include "kernels/vendor/cublaslt.h"
#include "kernels/vendor/cudnn.h"
#include "kernels/vendor/vendor.h"

namespace bauta::vendor {
namespace {

// The two share the scratch: what they compute is in one stream.
class Libraries final : public VendorLibraries {
 public:
  Libraries(Cudnn cudnn, CublasLt cublaslt) : cudnn_(std::move(cudnn)), cublaslt_(std::move(cublaslt)) {}

  std::string description() const override {
    return "cuDNN " + cudnn_.version() + ", cuBLASLt " + cublaslt_.version();
  }

  Status conv2d_forward(const Context& context, const Conv2dShape& s, const void* x, const void* w,
                        void* y) override {
    return cudnn_.forward(context, s, x, w, y);
  }
  Status conv2d_dgrad(const Context& context, const Conv2dShape& s, const void* dy, const void* w,
                      void* dx) override {
    return cudnn_.dgrad(context, s, dy, w, dx);
  }
  Status conv2d_wgrad(const Context& context, const Conv2dShape& s, const void* x, const void* dy,
                      void* dw) override {
    return cudnn_.wgrad(context, s, x, dy, dw);
  }

  Status linear_forward(const Context& context, const LinearShape& s, const void* x, const void* w,
                        const float* bias, float* y) override {
    return cublaslt_.forward(context, s, x, w, bias, y);
  }
  Status linear_dgrad(const Context& context, const LinearShape& s, const void* dy, const void* w,
                      float* dx) override {
    return cublaslt_.dgrad(context, s, dy, w, dx);
  }
  Status linear_wgrad(const Context& context, const LinearShape& s, const void* x, const void* dy,
                      float* dw) override {
    return cublaslt_.wgrad(context, s, x, dy, dw);
  }

 private:
  Cudnn cudnn_;
  CublasLt cublaslt_;
};

Result<std::unique_ptr<VendorLibraries>> open(std::span<std::byte> scratch) {
  auto cudnn = Cudnn::open(scratch);
  if (!cudnn.ok()) return cudnn.status();
  auto cublaslt = CublasLt::open(scratch);
  if (!cublaslt.ok()) return cublaslt.status();
  return std::unique_ptr<VendorLibraries>(
      std::make_unique<Libraries>(std::move(*cudnn), std::move(*cublaslt)));
}

}  // namespace
}  // namespace bauta::vendor

extern "C" [[gnu::visibility("default")]] bauta::OpenVendorLibraries bauta_open_vendor_libraries;

void bauta_open_vendor_libraries(std::span<std::byte> scratch,
                                 std::unique_ptr<bauta::VendorLibraries>& libraries, bauta::Status& status) {
  auto opened = bauta::vendor::open(scratch);
  status = opened.status();
  if (opened.ok()) libraries = std::move(*opened);
}
