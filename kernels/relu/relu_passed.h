#pragma once

#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// Of a gradient dy, what a ReLU lets pass that put out y. The comparison is false for NaN, where it passes.
__device__ __forceinline__ float passed(float dy, float y) { return y <= 0 ? 0 : dy; }

}  // namespace bauta::BAUTA_DEVICE
