#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// Sizes of a softmax with cross-entropy; every one is at least 1.
struct SoftmaxXentShape {
  int batch;    ///< N, rows
  int classes;  ///< K, columns
};

/// losses[n] = weights[label]·(log Σ_k exp(logits[n][k]) - logits[n][label]), label = labels[n]: the terms of
/// the weighted mean Σ losses / Σ_n weights[labels[n]].      (torch.nn.CrossEntropyLoss with weight, before
/// its reduction) Computed from the row's maximum, so that no exponential overflows. logits [N,K], labels [N]
/// in [0,K), weights [K], losses [N]: row-major; no overlap.
Status softmax_xent_forward(const Context&, const SoftmaxXentShape&, const float* logits,
                            const std::int32_t* labels, const float* weights, float* losses);

/// dlogits[n][k] = weights[label]·scale·(softmax(logits[n])[k] - [k = label]), where scale is 1 / Σ weights
/// over the global batch. Overwrites dlogits [N,K].
Status softmax_xent_dgrad(const Context&, const SoftmaxXentShape&, const float* logits,
                          const std::int32_t* labels, const float* weights, float scale, float* dlogits);

/// probabilities[n][k] = exp(logits[n][k]) / Σ_j exp(logits[n][j]). [N,K]; may be the logits.
Status softmax_forward(const Context&, const SoftmaxXentShape&, const float* logits, float* probabilities);

}  // namespace bauta
