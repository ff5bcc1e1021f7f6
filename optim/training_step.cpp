#include "optim/training_step.h"

#include <cmath>

#include "kernels/softmax_xent/softmax_xent.h"
#include "optim/predict.h"

namespace bauta {

Result<WeightedLoss> TrainingStep::run(const StepBatch& batch, int step, float lr) {
  const std::span<float> losses = std::span(losses_).first(batch.labels.size());
  BAUTA_TRY(forward_losses(graph_, class_weights_, batch.pixels, batch.labels, losses));
  const WeightedLoss loss{sum_losses(losses, batch.shards),
                          total_weight(batch.global_labels, class_weights_)};
  const int size = static_cast<int>(batch.labels.size());
  if (!std::isfinite(loss.sum)) {
    const std::string culprit = graph_.first_non_finite(size);
    return Status::error("the loss is not a number at step " + std::to_string(step) +
                             (culprit.empty() ? "" : ", first in " + culprit),
                         {},
                         "lower --lr, or look for damaged weights or data; the last checkpoint is untouched");
  }
  if (size > 0) {
    const SoftmaxXentShape shape{size, static_cast<int>(class_weights_.size())};
    BAUTA_TRY(softmax_xent_dgrad(graph_.context(), shape, graph_.logits(), batch.labels.data(),
                                 class_weights_.data(), static_cast<float>(1 / loss.weight),
                                 graph_.logits_gradient()));
  }
  BAUTA_TRY(graph_.backward(batch.shards));
  BAUTA_TRY(
      optimizer_->step(graph_.context(), step, lr, graph_.parameter_gradients(), graph_.parameter_values()));
  return loss;
}

}  // namespace bauta
