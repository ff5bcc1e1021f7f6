#pragma once

#include <array>

#include "kernels/common.h"

namespace bauta {

/// One step of stochastic gradient descent.
struct SgdStep {
  float lr = 1e-2F;       ///< at least 0
  float momentum = 0.0F;  ///< μ in [0, 1)
};

/// A step's numbers as the kernels take them: lr, μ.
using SgdNumbers = std::array<float, 2>;

/// Fails where a number is out of its range.
Result<SgdNumbers> sgd_numbers(const SgdStep&);

/// u = μ·u + g;  w -= lr·u. A first step starts from u = 0.                             (torch.optim.SGD)
/// g, w, u [size], 64-byte aligned; no overlap. Reads 12·size bytes, writes 8·size: bound by memory.
/// `numbers` [2] are sgd_numbers(), in memory like the rest; `skip` as in adam_step.
Status sgd_step(const Context&, const float* numbers, const float* skip, Index size, const float* g, float* w,
                float* u);

}  // namespace bauta
