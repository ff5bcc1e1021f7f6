#pragma once

#include <cstdint>

#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// The passes by patches (kernels/conv2d/conv2d_patches.h), for convolutions that have them. wgrad leaves
/// partial sums.
Status conv_relu_pool_forward_by_patches(const Context&, const ConvReluPoolShape&, const float* x,
                                         const float* w, const float* bias, float* y, std::uint8_t* argmax);
Status conv_relu_pool_dgrad_by_patches(const Context&, const ConvReluPoolShape&, const float* dy,
                                       const float* y, const std::uint8_t* argmax, const float* w, float* dx);
Status conv_relu_pool_wgrad_by_patches(const Context&, const ConvReluPoolShape&, const float* x,
                                       const float* dy, const float* y, const std::uint8_t* argmax,
                                       float* partial);

}  // namespace bauta::BAUTA_DEVICE
