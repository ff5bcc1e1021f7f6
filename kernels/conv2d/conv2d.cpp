#include "kernels/conv2d/conv2d.h"

#include "kernels/check.h"
#include "kernels/conv2d/conv2d_backends.h"

namespace bauta {
namespace {

const Conv2dBackend& backend(const Context& context) { return BAUTA_PICK_PRODUCTS(context, conv2d); }

Status check_shape(const Conv2dShape& s) {
  BAUTA_TRY(check_sizes("conv2d", {{"batch", s.batch},
                                   {"in_h", s.in_h},
                                   {"in_w", s.in_w},
                                   {"in_channels", s.in_channels},
                                   {"out_channels", s.out_channels},
                                   {"kernel", s.kernel},
                                   {"stride", s.stride},
                                   {"out_h", s.out_h},
                                   {"out_w", s.out_w}}));
  BAUTA_TRY(check_pad("conv2d", s.pad, s.kernel));
  const Index pads = 2 * Index{s.pad};
  BAUTA_TRY(check_windows("conv2d", {"out_h", s.out_h}, s.in_h + pads, s.kernel, s.stride));
  return check_windows("conv2d", {"out_w", s.out_w}, s.in_w + pads, s.kernel, s.stride);
}

Status check(const Context& context, const Conv2dShape& s, Pass pass) {
  BAUTA_TRY(check_shape(s));
  BAUTA_TRY(check_precision("conv2d", context));
  return check_workspace("conv2d", context, conv2d_workspace(context, s, pass));
}

}  // namespace

Status conv2d_forward(const Context& context, const Conv2dShape& s, const float* x, const float* w,
                      const float* bias, float* y) {
  BAUTA_TRY(check(context, s, Pass::forward));
  return backend(context).forward(context, s, x, w, bias, y);
}

Status conv2d_dgrad(const Context& context, const Conv2dShape& s, const float* dy, const float* w,
                    float* dx) {
  BAUTA_TRY(check(context, s, Pass::dgrad));
  return backend(context).dgrad(context, s, dy, w, dx);
}

Status conv2d_wgrad(const Context& context, const Conv2dShape& s, const Shards& shards, const float* x,
                    const float* dy, float* dw, float* dbias) {
  BAUTA_TRY(check(context, s, Pass::wgrad));
  BAUTA_TRY(check_shards("conv2d_wgrad", shards, s.batch));
  return backend(context).wgrad(context, s, shards, x, dy, dw, dbias);
}

std::size_t conv2d_workspace(const Context& context, const Conv2dShape& s, Pass pass) {
  return backend(context).workspace(context, s, pass);
}

}  // namespace bauta
