#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// Sizes of a convolution (square kernel, zero padding), ReLU and 2x2 max-pool of stride 2 in one; every one
/// but `pad` is at least 1. The convolution computes 2·out_h rows and 2·out_w columns, which may be fewer
/// than the usual formula gives, never more: only what is read further on needs to be computed (the demanded
/// region).
struct ConvReluPoolShape {
  int batch;         ///< N
  int in_h, in_w;    ///< H, W
  int in_channels;   ///< C
  int out_channels;  ///< O
  int kernel;        ///< rows and columns of a kernel, K
  int stride;        ///< of the convolution
  int pad;           ///< rows and columns of zeros around x; less than `kernel`
  int out_h, out_w;  ///< P, Q: pooled rows and columns

  /// Bytes of argmax at one pooled position: four channels to a byte.
  int argmax_stride() const { return (out_channels + 3) / 4; }
};

/// y[n][p][q][o] = max(0, the largest z[n][i][j][o] with i in {2p, 2p+1} and j in {2q, 2q+1}), where
/// z[n][i][j][o] = bias[o] + Σ_{r,s,c} x[n][i·stride-pad+r][j·stride-pad+s][c]·w[r][s][c][o].
///                                                             (torch.nn.Conv2d, ReLU and MaxPool2d(2))
/// argmax: which of the window's four, 2·row + column, was largest, the first among equals, as two bits:
/// channel o is bits 2(o%4) of byte o/4; unused bits are zero. A NaN wins over everything. May be null:
/// inference needs none. x [N,H,W,C], w [K,K,C,O], bias [O], y [N,P,Q,O], argmax [N,P,Q,⌈O/4⌉]: row-major,
/// 64-byte aligned; no overlap. 8·N·P·Q·O·K²·C flop; reads 4(N·H·W·C + K²·C·O + O) bytes, writes
/// N·P·Q(4·O + ⌈O/4⌉). On a GPU this pass and the next two fail where x or z has some 2^31 pixels or more.
Status conv_relu_pool_forward(const Context&, const ConvReluPoolShape&, const float* x, const float* w,
                              const float* bias, float* y, std::uint8_t* argmax);

/// dx = the gradient for x of the loss whose gradient for y is dy. Only the winner of a window whose y is > 0
/// has a gradient, so at least 3/4 of the convolution's is zero. A CPU multiplies only the non-zeros (by
/// weights padded with zeros to whole vectors), a GPU all of it, in this pass and the next; so a dy that is
/// not finite makes NaNs of neighbours, too. dy and y [N,P,Q,O], argmax [N,P,Q,⌈O/4⌉]. Overwrites dx
/// [N,H,W,C], zeros where nothing was read; dx overlaps no input. At most 2·N·P·Q·O·K²·C flop, on a GPU four
/// times as many; reads N·P·Q(8·O + ⌈O/4⌉) + 4·K²·C·O bytes, writes 4·N·H·W·C.
Status conv_relu_pool_dgrad(const Context&, const ConvReluPoolShape&, const float* dy, const float* y,
                            const std::uint8_t* argmax, const float* w, float* dx);

/// dw [K,K,C,O] and dbias [O]: the gradients for w and bias, n in the one order of summing, or a GPU's own.
/// dy, y and argmax as dgrad's. Overwrites both, which overlap no input nor each other. In bf16 dy is rounded
/// for both. Flop as dgrad's; reads N·P·Q(8·O + ⌈O/4⌉) + 4·N·H·W·C bytes, writes 4(K²·C·O + O).
Status conv_relu_pool_wgrad(const Context&, const ConvReluPoolShape&, const Shards&, const float* x,
                            const float* dy, const float* y, const std::uint8_t* argmax, float* dw,
                            float* dbias);

/// Bytes of workspace that a pass needs for this shape with the context's backend, precision, ISA and
/// threads; with less it fails. Enough for a smaller batch, too.
std::size_t conv_relu_pool_workspace(const Context&, const ConvReluPoolShape&, Pass);

}  // namespace bauta
