#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// Sizes of a softmax with cross-entropy; every one is at least 1.
struct SoftmaxXentShape {
  int batch;    ///< N, rows
  int classes;  ///< K, columns
};

/// What a loss gives; every array but `losses` may be null.
struct SoftmaxXentOutputs {
  float* losses;                      ///< [N]
  float* dlogits = nullptr;           ///< [N,K]
  std::int32_t* predicted = nullptr;  ///< [N] the class of the largest logit, the first among equals; with a
                                      ///< NaN among them any
  float* not_finite = nullptr;        ///< one number: becomes 1 where a loss is not finite, else stays
};

/// The loss, its gradient and what was predicted, in one pass.
///                                        (torch.nn.CrossEntropyLoss with weight, before its reduction)
/// losses[n] = weights[label]·(log Σ_k exp(logits[n][k]) - logits[n][label]), label = labels[n]: the terms of
/// the weighted mean Σ losses / Σ_n weights[labels[n]]. Computed from the row's maximum, so that no
/// exponential overflows.
/// dlogits[n][k] = weights[label]·scale·(softmax(logits[n])[k] - [k = label]), where *scale is 1 / Σ weights
/// over the global batch; it is in memory like the rest, and read for the gradient alone: without dlogits it
/// may be null. Reads 4(N·K + 2·N) bytes; writes 4·N, with dlogits 4·N·K more, with predicted 4·N.
/// logits [N,K], labels [N] in [0,K), weights [K]: row-major; no overlap. Labels out of that range are an
/// error, but on a GPU, where nobody reads them before the kernel: there the sample's loss is NaN.
Status softmax_xent_loss(const Context&, const SoftmaxXentShape&, const float* logits,
                         const std::int32_t* labels, const float* weights, const float* scale,
                         const SoftmaxXentOutputs&);

/// probabilities[n][k] = exp(logits[n][k]) / Σ_j exp(logits[n][j]). Both [N,K]; they may be the same array.
/// Reads and writes 4·N·K bytes.
Status softmax_forward(const Context&, const SoftmaxXentShape&, const float* logits, float* probabilities);

}  // namespace bauta
