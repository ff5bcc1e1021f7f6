#pragma once

#include "kernels/common.h"

namespace bauta {

/// One step of stochastic gradient descent.
struct SgdStep {
  float lr = 1e-2F;       ///< at least 0
  float momentum = 0.0F;  ///< μ in [0, 1)
};

/// u = μ·u + g;  w -= lr·u. A first step starts from u = 0.                             (torch.optim.SGD)
/// g, w, u [size], 64-byte aligned; no overlap. Reads 12·size bytes, writes 8·size: bound by memory.
Status sgd_step(const Context&, const SgdStep&, Index size, const float* g, float* w, float* u);

}  // namespace bauta
