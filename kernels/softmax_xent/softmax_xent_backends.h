#pragma once

#include "kernels/softmax_xent/softmax_xent.h"

namespace bauta {

/// What a backend gives for this op; the arguments are softmax_xent.h's, already checked.
struct SoftmaxXentBackend {
  Status (*loss)(const Context&, const SoftmaxXentShape&, const float* logits, const std::int32_t* labels,
                 const float* weights, const float* scale, const SoftmaxXentOutputs&);
  Status (*softmax)(const Context&, const SoftmaxXentShape&, const float* logits, float* probabilities);
};
BAUTA_DECLARE_BACKENDS(SoftmaxXentBackend, softmax_xent_backend)

}  // namespace bauta
