#pragma once

#include <cublasLt.h>

#include <compare>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "kernels/linear/linear.h"

namespace bauta::vendor {

/// Releases what a cublasLt...Create call made.
template <auto kDestroy>
struct CublasLtRelease {
  template <class T>
  void operator()(T* handle) const {
    static_cast<void>(kDestroy(handle));
  }
};
using CublasLtHandle = std::unique_ptr<cublasLtContext, CublasLtRelease<cublasLtDestroy>>;
using CublasLtProduct =
    std::unique_ptr<cublasLtMatmulDescOpaque_t, CublasLtRelease<cublasLtMatmulDescDestroy>>;
using CublasLtMatrix =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, CublasLtRelease<cublasLtMatrixLayoutDestroy>>;
using CublasLtPreference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, CublasLtRelease<cublasLtMatmulPreferenceDestroy>>;

/// cuBLASLt's products for fully connected layers, as kernels/vendor/vendor.h has them: sums and outputs are
/// fp32, whatever the operands are. For each shape and pass the heuristics choose once, among what needs no
/// more than the scratch. cuBLASLt's matrices lie by columns: ours by rows are their transposes to it.
class CublasLt {
 public:
  static Result<CublasLt> open(std::span<std::byte> scratch);

  std::string version() const;  ///< "13.2.1"
  Status forward(const Context&, const LinearShape&, const void* x, const void* w, const float* bias,
                 float* y);
  Status dgrad(const Context&, const LinearShape&, const void* dy, const void* w, float* dx);
  Status wgrad(const Context&, const LinearShape&, const void* x, const void* dy, float* dw);

 private:
  /// d = a·b, by columns: d is m x n, a is m x k, or lies as k x m and is transposed, and so on. bias [m] is
  /// added to each column of d, where has_bias. The precision is that of a and b.
  struct Form {
    Precision precision;
    int m, n, k;
    bool transpose_a, transpose_b;
    bool has_bias;

    // NOLINTNEXTLINE(modernize-use-nullptr): what is compared with zero here is no pointer
    auto operator<=>(const Form&) const = default;
  };
  struct Plan {
    CublasLtProduct product;
    CublasLtMatrix a, b, d;
    cublasLtMatmulAlgo_t algorithm{};
  };

  Result<const Plan*> plan(const Form&, const float* bias);
  Status choose(Plan&) const;
  Status multiply(const Context&, const Form&, const void* a, const void* b, const float* bias, float* d);

  CublasLtHandle handle_;
  std::span<std::byte> scratch_;
  std::map<Form, Plan> plans_;
};

}  // namespace bauta::vendor
