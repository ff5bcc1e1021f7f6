#include "optim/training_step.h"

#include <cmath>
namespace bauta {
namespace {

// Gradients that travel together, at least: a message of less costs more to start than to move.
constexpr Index kBucketFloats = Index{1} << 16;

}  // namespace

Result<TrainingStep> TrainingStep::create(Graph graph, std::unique_ptr<Optimizer> optimizer,
                                          std::vector<float> class_weights, Communicator& communicator) {
  auto head = LossHead::create(graph, std::move(class_weights));
  if (!head.ok()) return head.status();
  return TrainingStep(std::move(graph), std::move(*head), std::move(optimizer), communicator);
}

Result<WeightedLoss> TrainingStep::run(const StepBatch& batch, int step, float lr) {
  const double weight = total_weight(batch.global_labels, class_weights());
  const auto losses = head_.forward(graph_, batch.pixels, batch.labels, static_cast<float>(1 / weight));
  if (!losses.ok()) return losses.status();
  WeightedLoss loss{sum_losses(*losses, batch.shards), weight};
  // Backward reuses the memory of what forward put out.
  const auto culprit = std::isfinite(loss.sum)
                           ? Result<std::string>(std::string())
                           : graph_.first_non_finite(static_cast<int>(batch.labels.size()));
  if (!culprit.ok()) return culprit.status();
  communicator_->start_sum(std::span(&loss.sum, 1));
  BAUTA_TRY(backward(batch.shards));
  BAUTA_TRY(communicator_->finish());
  if (!std::isfinite(loss.sum)) return not_a_number(step, *culprit);
  BAUTA_TRY(
      optimizer_->step(graph_.context(), step, lr, graph_.parameter_gradients(), graph_.parameter_values()));
  return loss;
}

// Gradients lie in the order of the layers and become final from the end: each bucket starts on its way while
// the layers before it are still computed.
Status TrainingStep::backward(const Shards& shards) {
  const std::span<float> gradients = graph_.parameter_gradients();
  Index end = std::ssize(gradients);
  return graph_.backward(shards, [&](Index first) {
    if (end - first < kBucketFloats && first > 0) return;
    communicator_->start_sum(
        gradients.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first)));
    end = first;
  });
}

// `culprit`: the layer in which this rank saw it first; empty if it did not.
Status TrainingStep::not_a_number(int step, const std::string& culprit) {
  const auto culprits = communicator_->gather(culprit);
  if (!culprits.ok()) return culprits.status();
  std::string seen;
  for (const std::string& layer : *culprits) {
    if (seen.empty() && !layer.empty()) seen = ", first in " + layer;
  }
  return Status::error("the loss is not a number at step " + std::to_string(step) + seen, {},
                       "lower --lr, or look for damaged weights or data; the last checkpoint is untouched");
}

}  // namespace bauta
