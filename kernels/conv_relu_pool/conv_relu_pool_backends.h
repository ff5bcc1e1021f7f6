#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool.h"

namespace bauta {

/// What a backend gives for this op; the arguments are conv_relu_pool.h's, already checked.
struct ConvReluPoolBackend {
  Status (*forward)(const Context&, const ConvReluPoolShape&, const float* x, const float* w,
                    const float* bias, float* y, std::uint8_t* argmax);
  Status (*dgrad)(const Context&, const ConvReluPoolShape&, const float* dy, const float* y,
                  const std::uint8_t* argmax, const float* w, float* dx);
  Status (*wgrad)(const Context&, const ConvReluPoolShape&, const Shards&, const float* x, const float* dy,
                  const float* y, const std::uint8_t* argmax, float* dw, float* dbias);
  std::size_t (*workspace)(const Context&, const ConvReluPoolShape&, Pass);
};
BAUTA_DECLARE_BACKENDS(ConvReluPoolBackend, conv_relu_pool_backend)
BAUTA_DECLARE_GPU_BACKENDS(ConvReluPoolBackend, conv_relu_pool_vendor_backend)

}  // namespace bauta
