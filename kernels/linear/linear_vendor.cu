#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/vectors.h"
#include "kernels/linear/linear_backends.h"
#include "kernels/linear/linear_bias.h"
#include "kernels/relu/relu.h"
#include "kernels/vendor/vendor.h"

namespace bauta::BAUTA_DEVICE {
namespace {

/// Elementwise. Reads 4 bytes of an element and writes 2: bound by memory.
__global__ void __launch_bounds__(kElementwiseThreads)
    round_to_bf16(Index size, Global<const float> from, Global<bf16> to) {
  const Index i = first_of_four();
  if (i >= size) return;
  const float4 v = load4(from, i, size);
  const float values[4] = {v.x, v.y, v.z, v.w};
  store_vector(to + i, values);
}

// Elements that a rounded array of this size has room for: whole vectors, and 64 bytes.
Index room(Index size) { return (size + 31) / 32 * 32; }

Status launch_round(const Context& context, Index size, const float* from, bf16* to) {
  return launch_elementwise(context, "linear_vendor_round", 6, round_to_bf16, size, global(from, size),
                            global(to, room(size)));
}

// A product's operands as the vendor gets them.
struct Operands {
  const void *a, *b;
};

// In bf16, copies that lie one behind the other in the workspace.
Result<Operands> given(const Context& context, const float* a, Index a_size, const float* b, Index b_size) {
  if (context.precision == Precision::fp32) return Operands{a, b};
  auto* const rounded_a = reinterpret_cast<bf16*>(context.workspace.data());
  bf16* const rounded_b = rounded_a + room(a_size);
  BAUTA_TRY(launch_round(context, a_size, a, rounded_a));
  BAUTA_TRY(launch_round(context, b_size, b, rounded_b));
  return Operands{rounded_a, rounded_b};
}

// Of a pass with these operands and this output. What the vendor's kernels move is not known.
Work product_work(const Context& context, const LinearShape& s, Index a_size, Index b_size, Index c_size) {
  const double operand_bytes = context.precision == Precision::bf16 ? sizeof(bf16) : sizeof(float);
  return {0, operand_bytes * static_cast<double>(a_size + b_size) + 4.0 * static_cast<double>(c_size),
          double{1} * s.batch * s.in_features * s.out_features};
}

// The ReLUs have launches of their own: what the vendor's do with a NaN is not documented.

Status forward(const Context& context, const LinearShape& s, const float* x, const float* w,
               const float* bias, float* y) {
  const auto operands = given(context, x, s.x_size(), w, s.w_size());
  BAUTA_TRY(operands.status());
  const Work work = product_work(context, s, s.x_size(), s.w_size(), s.y_size());
  BAUTA_TRY(launch_vendor(context, "linear_vendor_forward", work, [&] {
    return context.vendor->linear_forward(context, s, operands->a, operands->b, bias, y);
  }));
  return s.relu_after ? relu_forward(context, s.y_size(), y, y) : Status{};
}

Status dgrad(const Context& context, const LinearShape& s, const float* dy, const float* w, const float* x,
             float* dx) {
  const auto operands = given(context, dy, s.y_size(), w, s.w_size());
  BAUTA_TRY(operands.status());
  const Work work = product_work(context, s, s.y_size(), s.w_size(), s.x_size());
  BAUTA_TRY(launch_vendor(context, "linear_vendor_dgrad", work, [&] {
    return context.vendor->linear_dgrad(context, s, operands->a, operands->b, dx);
  }));
  return s.relu_before ? relu_dgrad(context, s.x_size(), dx, x, dx) : Status{};
}

Status wgrad(const Context& context, const LinearShape& s, const Shards&, const float* x, const float* dy,
             float* dw, float* dbias) {
  const auto operands = given(context, x, s.x_size(), dy, s.y_size());
  BAUTA_TRY(operands.status());
  const Work work = product_work(context, s, s.x_size(), s.y_size(), s.w_size());
  BAUTA_TRY(launch_vendor(context, "linear_vendor_wgrad", work, [&] {
    return context.vendor->linear_wgrad(context, s, operands->a, operands->b, dw);
  }));
  return launch_bias_gradient(context, s, dy, dbias);
}

// Of the pass's two operands.
std::size_t workspace(const Context& context, const LinearShape& s, Pass pass) {
  if (context.precision == Precision::fp32) return 0;
  const Index x = room(s.x_size());
  const Index w = room(s.w_size());
  const Index y = room(s.y_size());
  const Index operands = pass == Pass::forward ? x + w : pass == Pass::dgrad ? y + w : x + y;
  return static_cast<std::size_t>(operands) * sizeof(bf16);
}

}  // namespace

const LinearBackend linear_vendor_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_DEVICE
