#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// A place in a window is one byte.
inline constexpr int kLargestPoolWindow = 16;

/// Sizes of one 2-d max-pool without padding; every one is at least 1. out_h and out_w may be smaller than
/// the usual ⌊(in - window)/stride⌋ + 1, never larger.
struct MaxPoolShape {
  int batch;       ///< N
  int in_h, in_w;  ///< H, W
  int channels;    ///< C
  int window;      ///< rows and columns of a window, at most kLargestPoolWindow
  int stride;
  int out_h, out_w;  ///< P, Q
};

/// y[n][p][q][c] = max over the window of x; argmax = its place in the window, row·window + column, the first
/// among equals; a NaN wins over everything, the last of several.                       (torch.nn.MaxPool2d)
/// x [N,H,W,C], y and argmax [N,P,Q,C]: row-major, 64-byte aligned; no overlap. argmax may be null.
/// Reads 4·N·H·W·C bytes, writes 5·N·P·Q·C.
Status maxpool_forward(const Context&, const MaxPoolShape&, const float* x, float* y, std::uint8_t* argmax);

/// dx[n][i][j][c] = Σ dy of the windows that (i, j) won, in the windows' order. Overwrites dx [N,H,W,C],
/// which overlaps no input. Reads 5·N·P·Q·C bytes, writes 4·N·H·W·C.
Status maxpool_dgrad(const Context&, const MaxPoolShape&, const float* dy, const std::uint8_t* argmax,
                     float* dx);

}  // namespace bauta
