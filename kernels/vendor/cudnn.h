#pragma once

#include <cudnn.h>

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/conv2d/conv2d.h"

namespace bauta::vendor {

/// Releases what a cudnnCreate... call made.
template <auto kDestroy>
struct CudnnRelease {
  template <class T>
  void operator()(T* handle) const {
    static_cast<void>(kDestroy(handle));
  }
};
using CudnnHandle = std::unique_ptr<cudnnContext, CudnnRelease<cudnnDestroy>>;
using CudnnTensor = std::unique_ptr<cudnnTensorStruct, CudnnRelease<cudnnDestroyTensorDescriptor>>;
using CudnnFilter = std::unique_ptr<cudnnFilterStruct, CudnnRelease<cudnnDestroyFilterDescriptor>>;
using CudnnConvolution =
    std::unique_ptr<cudnnConvolutionStruct, CudnnRelease<cudnnDestroyConvolutionDescriptor>>;

/// cuDNN's convolutions, as kernels/vendor/vendor.h has them. By its classic interface rather than by graphs
/// of operations: a convolution alone needs no more, and the compiler checks what is passed here. (A graph
/// could add the bias, too; the pass over the outputs that this would save is there in any case, for
/// pooling, which in bf16 widens y, too.) For each shape and pass the heuristics are asked once, for what is
/// deterministic, multiplies by fma, or in bf16 by tensor cores, and needs no more than the scratch; the
/// first that cuDNN then computes by stays. In bf16 all arrays are bfloat16 and sums are fp32
/// (PSEUDO_BFLOAT16_CONFIG): the one combination with bfloat16 that this interface has.
class Cudnn {
 public:
  static Result<Cudnn> open(std::span<std::byte> scratch);

  std::string version() const;  ///< "9.19.0"
  Status forward(const Context&, const Conv2dShape&, const void* x, const void* w, void* y);
  Status dgrad(const Context&, const Conv2dShape&, const void* dy, const void* w, void* dx);
  Status wgrad(const Context&, const Conv2dShape&, const void* x, const void* dy, void* dw);

 private:
  /// What cuDNN needs to know of a convolution.
  struct Problem {
    CudnnTensor x, y;
    CudnnFilter w;
    CudnnConvolution convolution;
  };
  /// A pass of a convolution, and how it can be computed, the best way first.
  template <class Perf>
  struct Plan {
    Problem problem;
    std::vector<Perf> choices;
  };
  using Sizes = std::array<int, 10>;  ///< of a Conv2dShape
  template <class Perf>
  using Plans = std::map<std::pair<Sizes, Precision>, Plan<Perf>>;

  static Status describe(const Conv2dShape&, Precision, Problem&);
  template <class Perf, class Find>
  Result<Plan<Perf>*> plan(Plans<Perf>&, const char* pass, const Conv2dShape&, Precision, const Find&);
  template <class Perf, class Find, class Compute>
  Status run(Plans<Perf>&, const char* pass, const Context&, const Conv2dShape&, const Find&, const Compute&);

  CudnnHandle handle_;
  std::span<std::byte> scratch_;
  Plans<cudnnConvolutionFwdAlgoPerf_t> forward_;
  Plans<cudnnConvolutionBwdDataAlgoPerf_t> dgrad_;
  Plans<cudnnConvolutionBwdFilterAlgoPerf_t> wgrad_;
};

}  // namespace bauta::vendor
