#include "kernels/vendor/cublaslt.h"

#include <cstdint>

namespace bauta::vendor {
namespace {

constexpr float kOne = 1;
constexpr float kZero = 0;
constexpr std::uint32_t kAlignment = 64;  // of arrays, bytes

Status check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  return Status::error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status), call,
                       "CUBLASLT_LOG_LEVEL=1 says more, or use --kernels hand");
}

#define BAUTA_CUBLASLT(call, ...) BAUTA_TRY(check(call(__VA_ARGS__), #call))

template <class T>
Status set(const CublasLtProduct& product, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  return check(cublasLtMatmulDescSetAttribute(product.get(), attribute, &value, sizeof value),
               "cublasLtMatmulDescSetAttribute");
}

template <class T>
Status set(const CublasLtPreference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
           const T& value) {
  return check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
               "cublasLtMatmulPreferenceSetAttribute");
}

// A matrix that lies by columns, without gaps between them.
Status make(CublasLtMatrix& matrix, cudaDataType_t element, int rows, int columns) {
  cublasLtMatrixLayout_t made = nullptr;
  BAUTA_CUBLASLT(cublasLtMatrixLayoutCreate, &made, element, static_cast<std::uint64_t>(rows),
                 static_cast<std::uint64_t>(columns), rows);
  matrix.reset(made);
  return {};
}

// Of an operand, which is rows x columns once it has been transposed.
Status make(CublasLtMatrix& matrix, Precision precision, int rows, int columns, bool transpose) {
  const auto element = precision == Precision::bf16 ? CUDA_R_16BF : CUDA_R_32F;
  return transpose ? make(matrix, element, columns, rows) : make(matrix, element, rows, columns);
}

}  // namespace

Result<CublasLt> CublasLt::open(std::span<std::byte> scratch) {
  cublasLtHandle_t made = nullptr;
  BAUTA_CUBLASLT(cublasLtCreate, &made);
  CublasLt result;
  result.handle_.reset(made);
  result.scratch_ = scratch;
  return result;
}

std::string CublasLt::version() const {
  const std::size_t number = cublasLtGetVersion();  // major * 10000 + minor * 100 + patch
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}

// The best algorithm by cuBLASLt's heuristics.
Status CublasLt::choose(Plan& plan) const {
  cublasLtMatmulPreference_t made = nullptr;
  BAUTA_CUBLASLT(cublasLtMatmulPreferenceCreate, &made);
  const CublasLtPreference preference(made);
  BAUTA_TRY(set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{scratch_.size()}));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    BAUTA_TRY(set(preference, attribute, kAlignment));
  }
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  BAUTA_CUBLASLT(cublasLtMatmulAlgoGetHeuristic, handle_.get(), plan.product.get(), plan.a.get(),
                 plan.b.get(), plan.d.get(), plan.d.get(), made, 1, &best, &found);
  BAUTA_TRY(check(found > 0 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic"));
  plan.algorithm = best.algo;
  return {};
}

// The form's plan, made when it is first asked for; its product is left with this bias.
Result<const CublasLt::Plan*> CublasLt::plan(const Form& form, const float* bias) {
  if (const auto known = plans_.find(form); known != plans_.end()) {
    if (form.has_bias) BAUTA_TRY(set(known->second.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias));
    return &known->second;
  }
  Plan plan;
  cublasLtMatmulDesc_t made = nullptr;
  BAUTA_CUBLASLT(cublasLtMatmulDescCreate, &made, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  plan.product.reset(made);
  BAUTA_TRY(set(plan.product, CUBLASLT_MATMUL_DESC_TRANSA, form.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N));
  BAUTA_TRY(set(plan.product, CUBLASLT_MATMUL_DESC_TRANSB, form.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N));
  if (form.has_bias) {
    BAUTA_TRY(set(plan.product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS));
    BAUTA_TRY(set(plan.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias));
  }
  BAUTA_TRY(make(plan.a, form.precision, form.m, form.k, form.transpose_a));
  BAUTA_TRY(make(plan.b, form.precision, form.k, form.n, form.transpose_b));
  BAUTA_TRY(make(plan.d, CUDA_R_32F, form.m, form.n));
  BAUTA_TRY(choose(plan));
  return &plans_.emplace(form, std::move(plan)).first->second;
}

Status CublasLt::multiply(const Context& context, const Form& form, const void* a, const void* b,
                          const float* bias, float* d) {
  const auto found = plan(form, bias);
  BAUTA_TRY(found.status());
  const Plan& p = **found;
  return check(cublasLtMatmul(handle_.get(), p.product.get(), &kOne, a, p.a.get(), b, p.b.get(), &kZero, d,
                              p.d.get(), d, p.d.get(), &p.algorithm, scratch_.data(), scratch_.size(),
                              static_cast<cudaStream_t>(context.stream)),
               "cublasLtMatmul");
}

// By columns, x is I x N, w is I x O and y is O x N.

Status CublasLt::forward(const Context& context, const LinearShape& s, const void* x, const void* w,
                         const float* bias, float* y) {
  return multiply(context, {context.precision, s.out_features, s.batch, s.in_features, true, false, true}, w,
                  x, bias, y);
}

Status CublasLt::dgrad(const Context& context, const LinearShape& s, const void* dy, const void* w,
                       float* dx) {
  return multiply(context, {context.precision, s.in_features, s.batch, s.out_features, false, false, false},
                  w, dy, nullptr, dx);
}

Status CublasLt::wgrad(const Context& context, const LinearShape& s, const void* x, const void* dy,
                       float* dw) {
  return multiply(context, {context.precision, s.in_features, s.out_features, s.batch, false, true, false}, x,
                  dy, nullptr, dw);
}

}  // namespace bauta::vendor
