#pragma once

#include "kernels/cuda/kernel_limits.h"

namespace bauta::simt::runtime {

/// An H100's, all of its shared memory dynamic. Tests set them to what other GPUs have.
inline KernelLimits kernel_limits = {227 * 1024, 90};

}  // namespace bauta::simt::runtime
