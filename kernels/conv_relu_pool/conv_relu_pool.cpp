#include "kernels/conv_relu_pool/conv_relu_pool.h"

#include "kernels/check.h"
#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"

namespace bauta {
namespace {

const ConvReluPoolBackend& backend(const Context& context) {
  return BAUTA_PICK_PRODUCTS(context, conv_relu_pool);
}

// Rows (or columns) of a convolution over `in` rows, by the usual formula.
Index conv_rows(const ConvReluPoolShape& s, int in) {
  const Index room = Index{in} + 2 * Index{s.pad} - s.kernel;
  return room < 0 ? 0 : room / s.stride + 1;
}

Status check_region(const ConvReluPoolShape& s, const char* name, int out, int in) {
  const Index rows = conv_rows(s, in);
  if (2 * Index{out} <= rows) return {};
  return Status::error("conv_relu_pool: " + std::string(name) + " is " + std::to_string(out) +
                           ", but the convolution has " + std::to_string(rows) + " to pool by twos",
                       {}, "the output must not be larger than the input, kernel, stride and padding give");
}

Status check(const Context& context, const ConvReluPoolShape& s, Pass pass) {
  BAUTA_TRY(check_sizes("conv_relu_pool", {{"batch", s.batch},
                                           {"in_h", s.in_h},
                                           {"in_w", s.in_w},
                                           {"in_channels", s.in_channels},
                                           {"out_channels", s.out_channels},
                                           {"kernel", s.kernel},
                                           {"stride", s.stride},
                                           {"out_h", s.out_h},
                                           {"out_w", s.out_w}}));
  BAUTA_TRY(check_pad("conv_relu_pool", s.pad, s.kernel));
  BAUTA_TRY(check_region(s, "out_h", s.out_h, s.in_h));
  BAUTA_TRY(check_region(s, "out_w", s.out_w, s.in_w));
  BAUTA_TRY(check_precision("conv_relu_pool", context));
  return check_workspace("conv_relu_pool", context, conv_relu_pool_workspace(context, s, pass));
}

}  // namespace

Status conv_relu_pool_forward(const Context& context, const ConvReluPoolShape& s, const float* x,
                              const float* w, const float* bias, float* y, std::uint8_t* argmax) {
  BAUTA_TRY(check(context, s, Pass::forward));
  return backend(context).forward(context, s, x, w, bias, y, argmax);
}

Status conv_relu_pool_dgrad(const Context& context, const ConvReluPoolShape& s, const float* dy,
                            const float* y, const std::uint8_t* argmax, const float* w, float* dx) {
  BAUTA_TRY(check(context, s, Pass::dgrad));
  return backend(context).dgrad(context, s, dy, y, argmax, w, dx);
}

Status conv_relu_pool_wgrad(const Context& context, const ConvReluPoolShape& s, const Shards& shards,
                            const float* x, const float* dy, const float* y, const std::uint8_t* argmax,
                            float* dw, float* dbias) {
  BAUTA_TRY(check(context, s, Pass::wgrad));
  BAUTA_TRY(check_shards("conv_relu_pool_wgrad", shards, s.batch));
  return backend(context).wgrad(context, s, shards, x, dy, y, argmax, dw, dbias);
}

std::size_t conv_relu_pool_workspace(const Context& context, const ConvReluPoolShape& s, Pass pass) {
  return backend(context).workspace(context, s, pass);
}

}  // namespace bauta
