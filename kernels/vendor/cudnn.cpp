#include "kernels/vendor/cudnn.h"

#include <bit>

namespace bauta::vendor {
namespace {

constexpr float kOne = 1;
constexpr float kZero = 0;
constexpr int kMaxAlgorithms = 16;  // that cuDNN is asked for; it has half as many

Status check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return {};
  return Status::error(std::string("cuDNN: ") + cudnnGetErrorString(status), call,
                       "CUDNN_LOGLEVEL_DBG=1 CUDNN_LOGDEST_DBG=stderr says more, or use --kernels hand");
}

#define BAUTA_CUDNN(call, ...) BAUTA_TRY(check(call(__VA_ARGS__), #call))

cudnnDataType_t element_of(Precision precision) {
  return precision == Precision::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

Status make(CudnnTensor& tensor, Precision precision, int n, int height, int width, int channels) {
  cudnnTensorDescriptor_t made = nullptr;
  BAUTA_CUDNN(cudnnCreateTensorDescriptor, &made);
  tensor.reset(made);
  return check(
      cudnnSetTensor4dDescriptor(made, CUDNN_TENSOR_NHWC, element_of(precision), n, channels, height, width),
      "cudnnSetTensor4dDescriptor");
}

}  // namespace

Result<Cudnn> Cudnn::open(std::span<std::byte> scratch) {
  cudnnHandle_t made = nullptr;
  BAUTA_CUDNN(cudnnCreate, &made);
  Cudnn cudnn;
  cudnn.handle_.reset(made);
  cudnn.scratch_ = scratch;
  return cudnn;
}

std::string Cudnn::version() const {
  const std::size_t number = cudnnGetVersion();  // major * 10000 + minor * 100 + patch
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}

Status Cudnn::describe(const Conv2dShape& s, Precision precision, Problem& problem) {
  BAUTA_TRY(make(problem.x, precision, s.batch, s.in_h, s.in_w, s.in_channels));
  BAUTA_TRY(make(problem.y, precision, s.batch, s.out_h, s.out_w, s.out_channels));
  cudnnFilterDescriptor_t w = nullptr;
  BAUTA_CUDNN(cudnnCreateFilterDescriptor, &w);
  problem.w.reset(w);
  BAUTA_CUDNN(cudnnSetFilter4dDescriptor, w, element_of(precision), CUDNN_TENSOR_NHWC, s.out_channels,
              s.in_channels, s.kernel, s.kernel);
  cudnnConvolutionDescriptor_t convolution = nullptr;
  BAUTA_CUDNN(cudnnCreateConvolutionDescriptor, &convolution);
  problem.convolution.reset(convolution);
  BAUTA_CUDNN(cudnnSetConvolution2dDescriptor, convolution, s.pad, s.pad, s.stride, s.stride, 1, 1,
              CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
  const auto math = precision == Precision::bf16 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH;
  return check(cudnnSetConvolutionMathType(convolution, math), "cudnnSetConvolutionMathType");
}

// The shape's plan for a pass, made when it is first asked for. find(problem, most, &found, results) has
// cuDNN list algorithms, the best first.
template <class Perf, class Find>
Result<Cudnn::Plan<Perf>*> Cudnn::plan(Plans<Perf>& plans, const char* pass, const Conv2dShape& s,
                                       Precision precision, const Find& find) {
  const auto key = std::pair(std::bit_cast<Sizes>(s), precision);
  if (const auto known = plans.find(key); known != plans.end()) return &known->second;
  Plan<Perf> plan;
  BAUTA_TRY(describe(s, precision, plan.problem));
  std::array<Perf, kMaxAlgorithms> results{};
  int found = 0;
  BAUTA_TRY(check(find(plan.problem, kMaxAlgorithms, &found, results.data()), pass));
  for (const Perf& result : std::span(results).first(static_cast<std::size_t>(found))) {
    if (result.status == CUDNN_STATUS_SUCCESS && result.determinism == CUDNN_DETERMINISTIC &&
        result.memory <= scratch_.size()) {
      plan.choices.push_back(result);
    }
  }
  return &plans.emplace(key, std::move(plan)).first->second;
}

// Computes a pass by compute(problem, algorithm). The heuristics list what cuDNN may yet refuse to compute:
// that is not asked for again, and the next one is. A shape comes for the first time outside of recordings,
// in which a refusal would be the end.
template <class Perf, class Find, class Compute>
Status Cudnn::run(Plans<Perf>& plans, const char* pass, const Context& context, const Conv2dShape& s,
                  const Find& find, const Compute& compute) {
  BAUTA_TRY(
      check(cudnnSetStream(handle_.get(), static_cast<cudaStream_t>(context.stream)), "cudnnSetStream"));
  const auto planned = plan(plans, pass, s, context.precision, find);
  BAUTA_TRY(planned.status());
  auto& [problem, choices] = **planned;
  for (; !choices.empty(); choices.erase(choices.begin())) {
    // In fp32 the description's own stays, which forbids TF32.
    if (context.precision == Precision::bf16) {
      BAUTA_CUDNN(cudnnSetConvolutionMathType, problem.convolution.get(), choices.front().mathType);
    }
    const cudnnStatus_t status = compute(problem, choices.front().algo);
    if (CUDNN_STATUS_CATEGORY(status) != CUDNN_STATUS_NOT_SUPPORTED) return check(status, pass);
  }
  return Status::error(std::string("cuDNN has no deterministic ") + precision_name(context.precision) +
                           " kernel for a layer that needs at most " + std::to_string(scratch_.size() >> 20) +
                           " MiB of scratch",
                       pass, "use another --batch, or --kernels hand");
}

Status Cudnn::forward(const Context& context, const Conv2dShape& s, const void* x, const void* w, void* y) {
  return run(
      forward_, "cudnnConvolutionForward", context, s,
      [&](const Problem& p, int most, int* found, cudnnConvolutionFwdAlgoPerf_t* results) {
        return cudnnGetConvolutionForwardAlgorithm_v7(handle_.get(), p.x.get(), p.w.get(),
                                                      p.convolution.get(), p.y.get(), most, found, results);
      },
      [&](const Problem& p, cudnnConvolutionFwdAlgo_t algorithm) {
        return cudnnConvolutionForward(handle_.get(), &kOne, p.x.get(), x, p.w.get(), w, p.convolution.get(),
                                       algorithm, scratch_.data(), scratch_.size(), &kZero, p.y.get(), y);
      });
}

Status Cudnn::dgrad(const Context& context, const Conv2dShape& s, const void* dy, const void* w, void* dx) {
  return run(
      dgrad_, "cudnnConvolutionBackwardData", context, s,
      [&](const Problem& p, int most, int* found, cudnnConvolutionBwdDataAlgoPerf_t* results) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(
            handle_.get(), p.w.get(), p.y.get(), p.convolution.get(), p.x.get(), most, found, results);
      },
      [&](const Problem& p, cudnnConvolutionBwdDataAlgo_t algorithm) {
        return cudnnConvolutionBackwardData(handle_.get(), &kOne, p.w.get(), w, p.y.get(), dy,
                                            p.convolution.get(), algorithm, scratch_.data(), scratch_.size(),
                                            &kZero, p.x.get(), dx);
      });
}

Status Cudnn::wgrad(const Context& context, const Conv2dShape& s, const void* x, const void* dy, void* dw) {
  return run(
      wgrad_, "cudnnConvolutionBackwardFilter", context, s,
      [&](const Problem& p, int most, int* found, cudnnConvolutionBwdFilterAlgoPerf_t* results) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(
            handle_.get(), p.x.get(), p.y.get(), p.convolution.get(), p.w.get(), most, found, results);
      },
      [&](const Problem& p, cudnnConvolutionBwdFilterAlgo_t algorithm) {
        return cudnnConvolutionBackwardFilter(handle_.get(), &kOne, p.x.get(), x, p.y.get(), dy,
                                              p.convolution.get(), algorithm, scratch_.data(),
                                              scratch_.size(), &kZero, p.w.get(), dw);
      });
}

}  // namespace bauta::vendor
