#include "optim/training_step.h"

#include <cmath>
namespace bauta {

Result<TrainingStep> TrainingStep::create(Graph graph, std::unique_ptr<Optimizer> optimizer,
                                          std::vector<float> class_weights) {
  auto head = LossHead::create(graph, std::move(class_weights));
  if (!head.ok()) return head.status();
  return TrainingStep(std::move(graph), std::move(*head), std::move(optimizer));
}

Result<WeightedLoss> TrainingStep::run(const StepBatch& batch, int step, float lr) {
  const double weight = total_weight(batch.global_labels, class_weights());
  const auto losses = head_.forward(graph_, batch.pixels, batch.labels, static_cast<float>(1 / weight));
  if (!losses.ok()) return losses.status();
  const WeightedLoss loss{sum_losses(*losses, batch.shards), weight};
  if (!std::isfinite(loss.sum)) {
    const auto culprit = graph_.first_non_finite(static_cast<int>(batch.labels.size()));
    if (!culprit.ok()) return culprit.status();
    return Status::error("the loss is not a number at step " + std::to_string(step) +
                             (culprit->empty() ? "" : ", first in " + *culprit),
                         {},
                         "lower --lr, or look for damaged weights or data; the last checkpoint is untouched");
  }
  BAUTA_TRY(graph_.backward(batch.shards));
  BAUTA_TRY(
      optimizer_->step(graph_.context(), step, lr, graph_.parameter_gradients(), graph_.parameter_values()));
  return loss;
}

}  // namespace bauta
