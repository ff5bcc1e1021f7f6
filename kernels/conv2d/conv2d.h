#pragma once

#include <cstddef>

#include "kernels/common.h"

namespace bauta {

/// Sizes of one 2-d convolution with square kernels and zero padding; every one but `pad` is at least 1.
/// out_h and out_w may be smaller than the usual ⌊(in + 2·pad - kernel)/stride⌋ + 1, never larger: only the
/// rows and columns that are read further on need to be computed (the demanded region).
struct Conv2dShape {
  int batch;         ///< N
  int in_h, in_w;    ///< H, W
  int in_channels;   ///< C
  int out_channels;  ///< O
  int kernel;        ///< rows and columns of a kernel, K
  int stride;
  int pad;           ///< rows and columns of zeros around x; less than `kernel`
  int out_h, out_w;  ///< P, Q
};

/// y[n][p][q][o] = bias[o] + Σ_{r,s,c} x[n][p·stride - pad + r][q·stride - pad + s][c]·w[r][s][c][o]
///                                                                                  (torch.nn.Conv2d)
/// x [N,H,W,C], w [K,K,C,O], bias [O], y [N,P,Q,O]: row-major, 64-byte aligned; y overlaps no input.
/// 2·N·P·Q·O·K²·C flop; reads 4(N·H·W·C + K²·C·O + O) bytes, writes 4·N·P·Q·O. On a GPU this pass and the
/// next two fail where x or y has some 2^31 pixels or more.
Status conv2d_forward(const Context&, const Conv2dShape&, const float* x, const float* w, const float* bias,
                      float* y);

/// dx = the gradient for x: dx[n][i][j][c] = Σ dy[n][p][q][o]·w[r][s][c][o] over all (p, r), (q, s) that meet
/// at (i, j). Overwrites dx [N,H,W,C], zeros where nothing was read; dx overlaps no input. 2·N·P·Q·O·K²·C
/// flop; reads 4(N·P·Q·O + K²·C·O) bytes, writes 4·N·H·W·C.
Status conv2d_dgrad(const Context&, const Conv2dShape&, const float* dy, const float* w, float* dx);

/// dw[r][s][c][o] = Σ_{n,p,q} dy[n][p][q][o]·x[n][p·stride - pad + r][q·stride - pad + s][c] and
/// dbias[o] = Σ_{n,p,q} dy[n][p][q][o], n in the one order of summing, or a GPU's own. Overwrites dw
/// [K,K,C,O] and dbias [O], which overlap no input nor each other. In bf16 dy is rounded for both.
/// 2·N·P·Q·O·K²·C flop; reads 4(N·H·W·C + N·P·Q·O) bytes, writes 4(K²·C·O + O).
Status conv2d_wgrad(const Context&, const Conv2dShape&, const Shards&, const float* x, const float* dy,
                    float* dw, float* dbias);

/// Bytes of workspace that a pass needs for this shape with the context's backend, ISA and precision; with
/// less it fails. Enough for a smaller batch, too.
std::size_t conv2d_workspace(const Context&, const Conv2dShape&, Pass);

}  // namespace bauta
