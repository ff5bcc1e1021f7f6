#include "kernels/linear/linear.h"

#include "kernels/check.h"
#include "kernels/linear/linear_backends.h"

namespace bauta {
namespace {

const LinearBackend& backend(const Context& context) { return BAUTA_PICK_PRODUCTS(context, linear); }

Status check(const Context& context, const LinearShape& s, Pass pass) {
  BAUTA_TRY(check_sizes(
      "linear", {{"batch", s.batch}, {"in_features", s.in_features}, {"out_features", s.out_features}}));
  BAUTA_TRY(check_precision("linear", context));
  return check_workspace("linear", context, linear_workspace(context, s, pass));
}

}  // namespace

Status linear_forward(const Context& context, const LinearShape& s, const float* x, const float* w,
                      const float* bias, float* y) {
  BAUTA_TRY(check(context, s, Pass::forward));
  return backend(context).forward(context, s, x, w, bias, y);
}

Status linear_dgrad(const Context& context, const LinearShape& s, const float* dy, const float* w,
                    const float* x, float* dx) {
  BAUTA_TRY(check(context, s, Pass::dgrad));
  return backend(context).dgrad(context, s, dy, w, x, dx);
}

Status linear_wgrad(const Context& context, const LinearShape& s, const Shards& shards, const float* x,
                    const float* dy, float* dw, float* dbias) {
  BAUTA_TRY(check(context, s, Pass::wgrad));
  BAUTA_TRY(check_shards("linear_wgrad", shards, s.batch));
  return backend(context).wgrad(context, s, shards, x, dy, dw, dbias);
}

std::size_t linear_workspace(const Context& context, const LinearShape& s, Pass pass) {
  return backend(context).workspace(context, s, pass);
}

}  // namespace bauta
