#pragma once

#include "kernels/common.h"

namespace bauta {

/// y[i] = max(0, x[i]) for i < size; NaN stays NaN.                                      (torch.nn.ReLU)
/// x and y [size], 64-byte aligned; y may be x. Reads and writes 4·size bytes.
Status relu_forward(const Context&, Index size, const float* x, float* y);

/// dx[i] = y[i] <= 0 ? 0 : dy[i]: where y is NaN the gradient passes, as in PyTorch. dx may be dy.
/// dy, y and dx [size], 64-byte aligned. Reads 8·size bytes, writes 4·size.
Status relu_dgrad(const Context&, Index size, const float* dy, const float* y, float* dx);

}  // namespace bauta
