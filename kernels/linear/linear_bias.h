#pragma once

#include "kernels/cuda/device.h"
#include "kernels/linear/linear.h"

namespace bauta::BAUTA_DEVICE {

/// dbias as in linear_wgrad, for a vendor's: the sums of dy's columns, in the order of n.
Status launch_bias_gradient(const Context&, const LinearShape&, const float* dy, float* dbias);

}  // namespace bauta::BAUTA_DEVICE
