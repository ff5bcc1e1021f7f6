#include "kernels/relu/relu.h"

#include "kernels/check.h"
#include "kernels/relu/relu_backends.h"

namespace bauta {

Status relu_forward(const Context& context, Index size, const float* x, float* y) {
  BAUTA_TRY(check_length("relu", size));
  return BAUTA_PICK_BACKEND(context, relu_backend).forward(context, size, x, y);
}

Status relu_dgrad(const Context& context, Index size, const float* dy, const float* y, float* dx) {
  BAUTA_TRY(check_length("relu", size));
  return BAUTA_PICK_BACKEND(context, relu_backend).dgrad(context, size, dy, y, dx);
}

}  // namespace bauta
