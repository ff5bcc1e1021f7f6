#include "kernels/softmax_xent/softmax_xent.h"

#include "kernels/check.h"
#include "kernels/softmax_xent/softmax_xent_backends.h"

namespace bauta {
namespace {

Status check(const SoftmaxXentShape& s) {
  return check_sizes("softmax_xent", {{"batch", s.batch}, {"classes", s.classes}});
}

Status check_labels(const SoftmaxXentShape& s, const std::int32_t* labels) {
  for (Index n = 0; n < s.batch; ++n) {
    if (labels[n] < 0 || labels[n] >= s.classes) {
      return Status::error("softmax_xent: label " + std::to_string(n) + " is " + std::to_string(labels[n]),
                           {}, "labels count from 0 to " + std::to_string(s.classes - 1));
    }
  }
  return {};
}

}  // namespace

Status softmax_xent_loss(const Context& context, const SoftmaxXentShape& s, const float* logits,
                         const std::int32_t* labels, const float* weights, const float* scale,
                         const SoftmaxXentOutputs& out) {
  BAUTA_TRY(check(s));
  if (context.backend != Backend::cuda) BAUTA_TRY(check_labels(s, labels));
  return BAUTA_PICK_BACKEND(context, softmax_xent_backend)
      .loss(context, s, logits, labels, weights, scale, out);
}

Status softmax_forward(const Context& context, const SoftmaxXentShape& s, const float* logits,
                       float* probabilities) {
  BAUTA_TRY(check(s));
  return BAUTA_PICK_BACKEND(context, softmax_xent_backend).softmax(context, s, logits, probabilities);
}

}  // namespace bauta
