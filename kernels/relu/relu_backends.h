#pragma once

#include "kernels/relu/relu.h"

namespace bauta {

/// What a backend gives for this op; the arguments are relu.h's, already checked.
struct ReluBackend {
  Status (*forward)(const Context&, Index size, const float* x, float* y);
  Status (*dgrad)(const Context&, Index size, const float* dy, const float* y, float* dx);
};
BAUTA_DECLARE_BACKENDS(ReluBackend, relu_backend)

}  // namespace bauta
