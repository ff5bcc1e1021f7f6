#pragma once

#include "kernels/conv2d/conv2d.h"

namespace bauta {

/// What a backend gives for this op; the arguments are conv2d.h's, already checked.
struct Conv2dBackend {
  Status (*forward)(const Context&, const Conv2dShape&, const float* x, const float* w, const float* bias,
                    float* y);
  Status (*dgrad)(const Context&, const Conv2dShape&, const float* dy, const float* w, float* dx);
  Status (*wgrad)(const Context&, const Conv2dShape&, const Shards&, const float* x, const float* dy,
                  float* dw, float* dbias);
  std::size_t (*workspace)(const Context&, const Conv2dShape&, Pass);
};
BAUTA_DECLARE_BACKENDS(Conv2dBackend, conv2d_backend)
BAUTA_DECLARE_GPU_BACKENDS(Conv2dBackend, conv2d_vendor_backend)

}  // namespace bauta
