#pragma once

#include "kernels/adam/adam.h"

namespace bauta {

/// What a backend gives for this op; the arguments are adam.h's, already checked.
struct AdamBackend {
  Status (*step)(const Context&, const float* numbers, const float* skip, Index size, const float* g,
                 float* w, float* m, float* v);
};
BAUTA_DECLARE_BACKENDS(AdamBackend, adam_backend)

}  // namespace bauta
