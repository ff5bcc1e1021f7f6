#pragma once

#include "kernels/maxpool/maxpool.h"

namespace bauta {

/// What a backend gives for this op; the arguments are maxpool.h's, already checked.
struct MaxPoolBackend {
  Status (*forward)(const Context&, const MaxPoolShape&, const float* x, float* y, std::uint8_t* argmax);
  Status (*dgrad)(const Context&, const MaxPoolShape&, const float* dy, const std::uint8_t* argmax,
                  float* dx);
};
BAUTA_DECLARE_BACKENDS(MaxPoolBackend, maxpool_backend)

}  // namespace bauta
