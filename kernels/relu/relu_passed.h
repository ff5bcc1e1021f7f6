#pragma once

#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// What a ReLU whose output was y passes of its gradient dy. The comparison is false for a NaN: dy passes.
__device__ __forceinline__ float passed(float dy, float y) { return y <= 0 ? 0 : dy; }

}  // namespace bauta::BAUTA_DEVICE
