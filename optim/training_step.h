#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "kernels/common.h"
#include "layers/graph.h"
#include "optim/loss.h"
#include "optim/loss_head.h"
#include "optim/optimizer.h"

namespace bauta {

/// One rank's part of a global batch.
struct StepBatch {
  std::span<const std::uint8_t> pixels;         ///< [N,H,W,C] bytes of this rank's samples
  std::span<const std::int32_t> labels;         ///< [N] of this rank's samples
  std::span<const std::int32_t> global_labels;  ///< of the whole global batch: the loss is a mean over it
  Shards shards;                                ///< how this rank's samples are added up
};

/// A network with its loss and its optimiser: what happens to one batch, on all ranks together.
class TrainingStep {
 public:
  /// `class_weights` has one weight per class. The graph is for training, and the optimiser on its device.
  /// The communicator outlives the step.
  static Result<TrainingStep> create(Graph graph, std::unique_ptr<Optimizer> optimizer,
                                     std::vector<float> class_weights, Communicator& communicator = alone());

  /// Forward, loss Σw·ℓ/Σw over the global batch, backward, and one optimiser step; `step` counts from 1.
  /// Collective: the ranks' gradients and losses are added up while backward goes on. A loss that is no
  /// number is an error, on all ranks, that names step and layer, and leaves the parameters as they were.
  Result<WeightedLoss> run(const StepBatch& batch, int step, float lr);

  Graph& graph() { return graph_; }
  Optimizer& optimizer() { return *optimizer_; }
  const std::vector<float>& class_weights() const { return head_.class_weights(); }

 private:
  TrainingStep(Graph graph, LossHead head, std::unique_ptr<Optimizer> optimizer, Communicator& communicator)
      : communicator_(&communicator),
        graph_(std::move(graph)),
        head_(std::move(head)),
        optimizer_(std::move(optimizer)) {}

  Status backward(const Shards& shards);
  Status not_a_number(int step, const std::string& culprit);

  Communicator* communicator_;
  Graph graph_;
  LossHead head_;
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace bauta
