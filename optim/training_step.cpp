#include "optim/training_step.h"

#include <cmath>

#include "optim/predict.h"

namespace bauta {

Result<WeightedLoss> TrainingStep::run(const StepBatch& batch, int step, float lr) {
  const std::span<float> losses = std::span(losses_).first(batch.labels.size());
  const double weight = total_weight(batch.global_labels, class_weights_);
  BAUTA_TRY(forward_losses(graph_, class_weights_, batch.pixels, batch.labels, losses,
                           static_cast<float>(1 / weight)));
  const WeightedLoss loss{sum_losses(losses, batch.shards), weight};
  if (!std::isfinite(loss.sum)) {
    const std::string culprit = graph_.first_non_finite(static_cast<int>(batch.labels.size()));
    return Status::error("the loss is not a number at step " + std::to_string(step) +
                             (culprit.empty() ? "" : ", first in " + culprit),
                         {},
                         "lower --lr, or look for damaged weights or data; the last checkpoint is untouched");
  }
  BAUTA_TRY(graph_.backward(batch.shards));
  BAUTA_TRY(
      optimizer_->step(graph_.context(), step, lr, graph_.parameter_gradients(), graph_.parameter_values()));
  return loss;
}

}  // namespace bauta
