#include "kernels/normalize/normalize_backends.h"

namespace bauta::reference {
namespace {

Status forward(const Context&, Index size, const std::uint8_t* x, float* y) {
  for (Index i = 0; i < size; ++i) y[i] = static_cast<float>(x[i] / 255.0);
  return {};
}

}  // namespace

const NormalizeBackend normalize_backend = {forward};

}  // namespace bauta::reference
