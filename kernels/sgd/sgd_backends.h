#pragma once

#include "kernels/sgd/sgd.h"

namespace bauta {

/// What a backend gives for this op; the arguments are sgd.h's, already checked.
struct SgdBackend {
  Status (*step)(const Context&, const float* numbers, const float* skip, Index size, const float* g,
                 float* w, float* u);
};
BAUTA_DECLARE_BACKENDS(SgdBackend, sgd_backend)

}  // namespace bauta
