#pragma once

#include "kernels/normalize/normalize.h"

namespace bauta {

/// What a backend gives for this op; the arguments are normalize.h's, already checked.
struct NormalizeBackend {
  Status (*forward)(const Context&, Index size, const std::uint8_t* x, float* y);
};
BAUTA_DECLARE_BACKENDS(NormalizeBackend, normalize_backend)

}  // namespace bauta
