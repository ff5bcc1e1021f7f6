#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/core/stream.h"
#include "engine/data/image_feed.h"
#include "kernels/common.h"
#include "layers/graph.h"
#include "optim/loss.h"
#include "optim/optimizer.h"

namespace bauta {

/// A network with its loss and its optimiser: what happens to one batch, on all ranks together.
///
/// Where a device computes beside the host, steps may be started before earlier ones are finished, up to
/// kAhead of them: the device then never waits for the host. What a step reads besides images and parameters
/// goes to the device in one block, so that all its work is the same each time and can be recorded. That
/// block is copied, and images are gathered, while earlier steps are computed, and losses are copied while
/// later ones are: none waits for a copy.
class TrainingStep {
 public:
  static constexpr int kAhead = 8;

  /// `class_weights` has one weight per class. The graph is for training, and the optimiser on its device.
  /// The communicator outlives the step.
  static Result<TrainingStep> create(Graph graph, std::unique_ptr<Optimizer> optimizer,
                                     std::vector<float> class_weights, Communicator& communicator = alone());

  /// Puts a step into the device's work: forward, loss Σw·ℓ/Σw over the global batch, backward, the sum of
  /// all ranks' gradients, and one optimiser step; `step` counts from 1. The batch is this rank's part.
  /// Collective. At most kAhead steps are unfinished; the host reads the batch's arrays before it returns.
  Status start(const DeviceBatch& batch, int step, float lr);
  /// The loss, on all ranks together, of the oldest step that is not finished: waits until the older half of
  /// those is computed, and adds up their losses at once, unless an earlier call has. Collective. Once a loss
  /// is not finite, no step changes the parameters any more.
  Result<WeightedLoss> finish();
  /// Steps that were started and not finished.
  int unfinished() const { return static_cast<int>(started_ - finished_); }
  /// Steps on batches of one size until all that a GPU records is recorded; elsewhere it is 0.
  int steps_to_record() const { return graph_.context().backend == Backend::cuda ? 2 * kAhead : 0; }
  /// Steps that are to be unfinished at a time: 1 where the host computes.
  int most_unfinished() const { return reads_host_memory(graph_.context()) ? 1 : kAhead; }

  /// As many losses finish() adds up at once while most_unfinished() steps are on their way. Ranks that meet
  /// each time they have started so many never wait there for a step that another has still to start.
  int steps_summed_together() const { return (most_unfinished() + 1) / 2; }

  /// start() and finish() of one step, with no other unfinished. A loss that is not finite is an error, on
  /// all ranks, that names step and layer, and leaves the parameters as they were.
  Result<WeightedLoss> run(const DeviceBatch& batch, int step, float lr);

  /// The error of `what`, that something is not finite, with the layer in which that begins in the last
  /// forward pass, on `samples`, of whichever rank. Collective.
  Status non_finite_error(const std::string& what, int samples);

  Graph& graph() { return graph_; }
  /// graph().inference(): to be used while no step is unfinished.
  Graph& inference() { return inference_; }
  Optimizer& optimizer() { return *optimizer_; }
  const std::vector<float>& class_weights() const { return class_weights_; }

 private:
  // What is kept of a step until it is finished.
  struct Slot {
    TransferBuffer<std::uint32_t> inputs;
    TransferBuffer<float> losses;
    DeviceBuffer<std::uint32_t> device_inputs;
    DeviceBuffer<float> device_losses;
    Event sent, computed, done;
    Shards shards;
    double weight = 0;
  };
  // What tells recordings apart: slot and global batch. They are the same on all ranks, so that these record
  // and replay a step's sums together, as NCCL asks.
  using Key = std::pair<std::int64_t, std::size_t>;

  TrainingStep(Graph graph, Graph inference, std::unique_ptr<Optimizer> optimizer,
               std::vector<float> class_weights, Communicator& communicator)
      : communicator_(&communicator),
        graph_(std::move(graph)),
        inference_(std::move(inference)),
        optimizer_(std::move(optimizer)),
        class_weights_(std::move(class_weights)) {}

  Status allocate();
  Slot& slot(std::int64_t number) { return slots_[static_cast<std::size_t>(number % kAhead)]; }
  Status send_inputs(Slot&, const DeviceBatch& batch, int step, float lr);
  Status gather_images(const Context& sending, Slot&, const DeviceBatch& batch);
  Status set_images(const Context&, Slot&, const DeviceBatch& batch);
  Status compute(Slot&, const DeviceBatch& batch);
  Status return_losses(Slot&, std::size_t samples);
  Status backward(const Shards& shards);
  Status wait_for(const Slot&);
  Status add_up_losses(int steps);
  Status non_finite_error(const DeviceBatch& batch, int step);

  Communicator* communicator_;
  Graph graph_;
  Graph inference_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<float> class_weights_;
  DeviceBuffer<float> weights_;

  Stream sends_, returns_;  // for what comes to the device before a step, and from it afterwards
  std::array<Slot, kAhead> slots_;
  std::int64_t started_ = 0;
  std::int64_t finished_ = 0;
  std::deque<WeightedLoss> losses_;  // of the steps behind those, as far as they are added up
  std::map<Key, Recording> recordings_;
};

}  // namespace bauta
