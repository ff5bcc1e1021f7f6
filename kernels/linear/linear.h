#pragma once

#include "kernels/common.h"

namespace bauta {

/// Sizes of one fully connected layer, every one at least 1, and which ReLUs (relu.h) it takes on: of one
/// between two layers, the first does the forward and the second the backward, each on what it computes
/// anyway.
struct LinearShape {
  int batch;                 ///< N, rows of x and y
  int in_features;           ///< I, columns of x
  int out_features;          ///< O, columns of y
  bool relu_before = false;  ///< x is what a ReLU put out: dx is the gradient of what went into it
  bool relu_after = false;   ///< y is what a ReLU puts out: dy is the gradient of what goes into it

  Index x_size() const { return Index{batch} * in_features; }
  Index w_size() const { return Index{out_features} * in_features; }
  Index y_size() const { return Index{batch} * out_features; }
};

/// With at most this many outputs our kernels for a GPU multiply in fp32 even where the precision is bf16:
/// they wait for memory, and rounding would gain nothing.
inline constexpr int kFewLinearOutputs = 8;

/// y[n][o] = bias[o] + Σ_i x[n][i]·w[o][i]                                  (torch.nn.Linear)
/// and with relu_after the ReLU of that. x [N,I], w [O,I], bias [O], y [N,O]: row-major, 64-byte aligned; y
/// overlaps no input. 2·N·I·O flop; reads 4(NI + OI + O) bytes, writes 4NO.
Status linear_forward(const Context&, const LinearShape&, const float* x, const float* w, const float* bias,
                      float* y);

/// dx[n][i] = Σ_o dy[n][o]·w[o][i], or with relu_before 0 where x[n][i] <= 0; without, x is not read and may
/// be null. dy [N,O], w [O,I], x and dx [N,I]. Overwrites dx, which overlaps no input. 2·N·I·O flop; reads
/// 4(NO + OI) bytes, with relu_before 4NI more, writes 4NI.
Status linear_dgrad(const Context&, const LinearShape&, const float* dy, const float* w, const float* x,
                    float* dx);

/// dw[o][i] = Σ_n dy[n][o]·x[n][i] and dbias[o] = Σ_n dy[n][o], n in the one order of summing, or a GPU's
/// own. x [N,I], dy [N,O], dw [O,I], dbias [O]. Overwrites both, which overlap no input nor each other. In
/// bf16 dy is rounded for dw alone. 2·N·I·O flop; reads 4(NI + NO) bytes, writes 4(OI + O).
Status linear_wgrad(const Context&, const LinearShape&, const Shards&, const float* x, const float* dy,
                    float* dw, float* dbias);

/// Bytes of workspace that a pass needs for this shape, and fails without: on a GPU for what blocks leave
/// that share a sum, or what is rounded for a vendor in bf16. Enough for a smaller batch, too.
std::size_t linear_workspace(const Context&, const LinearShape&, Pass);

}  // namespace bauta
