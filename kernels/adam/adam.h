#pragma once

#include <array>

#include "kernels/common.h"

namespace bauta {

/// One step of Adam.                                                                   (Kingma and Ba, 2015)
/// In double, as PyTorch has them: 1 - β2 of a float β2 = 0.999 would be off by 1.3e-5.
struct AdamStep {
  double lr = 1e-5;       ///< at least 0
  double beta1 = 0.9;     ///< in [0, 1)
  double beta2 = 0.999;   ///< in [0, 1)
  double epsilon = 1e-8;  ///< at least 0
  int step = 1;           ///< t, counted from 1
};

/// A step's numbers as the kernels take them, each rounded once:
/// β1, 1-β1, β2, 1-β2, lr/(1-β1^t), √(1-β2^t), ε, 0.
using AdamNumbers = std::array<float, 8>;

/// Fails where a number is out of its range.
Result<AdamNumbers> adam_numbers(const AdamStep&);

/// m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²;
/// w -= lr/(1-β1^t) · m / (√v/√(1-β2^t) + ε).                                          (torch.optim.Adam)
/// g, w, m, v [size], 64-byte aligned; no overlap. √ and division are exact. Reads 16·size bytes, writes
/// 12·size: bound by memory. `numbers` [8] are adam_numbers(), 16-byte aligned, in memory like the rest, so
/// that a step can be put into a GPU's stream before they are known. `skip` [1] may be null; where *skip is
/// not 0 nothing is changed.
Status adam_step(const Context&, const float* numbers, const float* skip, Index size, const float* g,
                 float* w, float* m, float* v);

}  // namespace bauta
