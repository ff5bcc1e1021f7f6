#include "kernels/normalize/normalize.h"

#include "kernels/check.h"
#include "kernels/normalize/normalize_backends.h"

namespace bauta {

Status normalize_forward(const Context& context, Index size, const std::uint8_t* x, float* y) {
  BAUTA_TRY(check_length("normalize", size));
  return BAUTA_PICK_BACKEND(context, normalize_backend).forward(context, size, x, y);
}

}  // namespace bauta
