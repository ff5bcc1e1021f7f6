#pragma once

#include <cstddef>

namespace bauta {

/// What kernels may count on, of the GPU that runs them and of the code that it runs.
struct KernelLimits {
  std::size_t dynamic_shared = 0;  ///< bytes that a block may have
  int architecture = 0;            ///< that the code was compiled for, such as 90: the GPU may be a later one
};

}  // namespace bauta
