#pragma once

#include "kernels/linear/linear.h"

namespace bauta {

/// What a backend gives for this op; the arguments are linear.h's, already checked.
struct LinearBackend {
  Status (*forward)(const Context&, const LinearShape&, const float* x, const float* w, const float* bias,
                    float* y);
  Status (*dgrad)(const Context&, const LinearShape&, const float* dy, const float* w, const float* x,
                  float* dx);
  Status (*wgrad)(const Context&, const LinearShape&, const Shards&, const float* x, const float* dy,
                  float* dw, float* dbias);
  std::size_t (*workspace)(const Context&, const LinearShape&, Pass);
};
BAUTA_DECLARE_BACKENDS(LinearBackend, linear_backend)
BAUTA_DECLARE_GPU_BACKENDS(LinearBackend, linear_vendor_backend)

}  // namespace bauta
