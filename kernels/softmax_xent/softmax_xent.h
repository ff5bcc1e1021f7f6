#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// Sizes of a softmax with cross-entropy; every one is at least 1.
struct SoftmaxXentShape {
  int batch;    ///< N, rows
  int classes;  ///< K, columns
};

/// The loss and, unless dlogits is null, its gradient in one pass.
/// losses[n] = weights[label]·(log Σ_k exp(logits[n][k]) - logits[n][label]), label = labels[n]: the terms of
/// the weighted mean Σ losses / Σ_n weights[labels[n]].      (torch.nn.CrossEntropyLoss with weight, before
/// its reduction) Computed from the row's maximum, so that no exponential overflows.
/// dlogits[n][k] = weights[label]·scale·(softmax(logits[n])[k] - [k = label]), where scale is 1 / Σ weights
/// over the global batch.
/// logits and dlogits [N,K], labels [N] in [0,K), weights [K], losses [N]: row-major; no overlap. Labels out
/// of that range are an error, but on a GPU, where nobody reads them before the kernel: there the sample's
/// loss is NaN.
Status softmax_xent_loss(const Context&, const SoftmaxXentShape&, const float* logits,
                         const std::int32_t* labels, const float* weights, float scale, float* losses,
                         float* dlogits);

/// probabilities[n][k] = exp(logits[n][k]) / Σ_j exp(logits[n][j]). [N,K]; may be the logits.
Status softmax_forward(const Context&, const SoftmaxXentShape&, const float* logits, float* probabilities);

}  // namespace bauta
