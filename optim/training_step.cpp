#include "optim/training_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/softmax_xent/softmax_xent.h"

namespace bauta {
namespace {

// Gradients that travel together, at least: a message of less costs more to start than to move.
constexpr Index kBucketFloats = Index{1} << 16;

/// What a step reads besides images and parameters, in a block of words, the same on the host and the device.
struct Inputs {
  static constexpr std::size_t kHead = 16;
  static constexpr std::size_t kAugmentWords = sizeof(AugmentParams) / sizeof(std::uint32_t);

  /// Words of a block for batches of up to `batch`.
  static std::size_t words(std::size_t batch, bool augmented) {
    return kHead + batch * (augmented ? 2 + kAugmentWords : 2);
  }

  Inputs(std::uint32_t* block, std::size_t batch)
      : numbers(reinterpret_cast<float*>(block)),
        scale(numbers + std::tuple_size_v<Optimizer::Numbers>),
        labels(reinterpret_cast<std::int32_t*>(block + kHead)),
        places(labels + batch),
        augment(reinterpret_cast<AugmentParams*>(places + batch)) {}

  float* numbers;          ///< the optimiser's
  float* scale;            ///< 1/Σw over the global batch
  std::int32_t* labels;    ///< [batch]
  std::int32_t* places;    ///< [batch] of the samples among the images
  AugmentParams* augment;  ///< [batch]
};

}  // namespace

Result<TrainingStep> TrainingStep::create(Graph graph, std::unique_ptr<Optimizer> optimizer,
                                          std::vector<float> class_weights, Communicator& communicator) {
  auto inference = graph.inference();
  if (!inference.ok()) return inference.status();
  TrainingStep step(std::move(graph), std::move(*inference), std::move(optimizer), std::move(class_weights),
                    communicator);
  BAUTA_TRY(step.allocate());
  return step;
}

Status TrainingStep::allocate() {
  const Context& context = graph_.context();
  const auto batch = static_cast<std::size_t>(graph_.max_batch());
  const std::size_t words = Inputs::words(batch, true);
  BAUTA_TRY(weights_.allocate(context, class_weights_.size()));
  BAUTA_TRY(put_into(sends_, Stream::create(context, StreamPriority::low)));
  BAUTA_TRY(put_into(returns_, Stream::create(context)));
  for (Slot& slot : slots_) {
    BAUTA_TRY(slot.inputs.allocate(context, words));
    BAUTA_TRY(slot.losses.allocate(context, batch));
    BAUTA_TRY(slot.device_inputs.allocate(context, words));
    BAUTA_TRY(slot.device_losses.allocate(context, batch));
    BAUTA_TRY(put_into(slot.sent, Event::create(context)));
    BAUTA_TRY(put_into(slot.computed, Event::create(context)));
    BAUTA_TRY(put_into(slot.done, Event::create(context)));
  }
  return copy_to_device<float>(context, class_weights_, weights_.span());
}

Status TrainingStep::start(const DeviceBatch& batch, int step, float lr) {
  const Activity::Work work(communicator_->activity());
  const Context& context = graph_.context();
  Slot& slot = this->slot(started_);
  BAUTA_TRY(send_inputs(slot, batch, step, lr));
  Recording& recording = recordings_[{started_ % kAhead, batch.global_labels.size()}];
  BAUTA_TRY(recording.run(context, [&] { return compute(slot, batch); }));
  BAUTA_TRY(return_losses(slot, batch.labels.size()));
  ++started_;
  return {};
}

Status TrainingStep::send_inputs(Slot& slot, const DeviceBatch& batch, int step, float lr) {
  const auto numbers = optimizer_->numbers(step, lr);
  if (!numbers.ok()) return numbers.status();
  slot.weight = total_weight(batch.global_labels, class_weights_);
  slot.shards = batch.shards;
  const auto most = static_cast<std::size_t>(graph_.max_batch());
  const Inputs inputs(slot.inputs.data(), most);
  std::ranges::copy(*numbers, inputs.numbers);
  *inputs.scale = static_cast<float>(1 / slot.weight);
  std::ranges::copy(batch.labels, inputs.labels);
  std::ranges::copy(batch.places, inputs.places);
  std::ranges::copy(batch.augment, inputs.augment);
  const std::size_t words = Inputs::words(most, !batch.augment.empty());
  const Context sending = sends_.of(graph_.context());
  BAUTA_TRY(start_copy_to_device<std::uint32_t>(sending, slot.inputs.span().first(words),
                                                slot.device_inputs.span()));
  BAUTA_TRY(gather_images(sending, slot, batch));
  BAUTA_TRY(slot.sent.record(sending));
  return slot.sent.make_wait(graph_.context());
}

// Into the input that the step before does not read: the one before that has, once it is computed; and if no
// step is on its way, whatever else was computed in between.
Status TrainingStep::gather_images(const Context& sending, Slot& slot, const DeviceBatch& batch) {
  static_assert(kAhead % 2 == 0, "a recorded slot's input is always the same");
  graph_.choose_input(static_cast<int>(started_ % graph_.inputs()));
  if (unfinished() == 0) {
    BAUTA_TRY(slot.computed.record(graph_.context()));
    BAUTA_TRY(slot.computed.make_wait(sending));
  } else if (started_ >= graph_.inputs()) {
    BAUTA_TRY(this->slot(started_ - graph_.inputs()).computed.make_wait(sending));
  }
  if (batch.there != nullptr) BAUTA_TRY(batch.there->make_wait(sending));
  return set_images(sending, slot, batch);
}

Status TrainingStep::return_losses(Slot& slot, std::size_t samples) {
  const Context returning = returns_.of(graph_.context());
  BAUTA_TRY(slot.computed.record(graph_.context()));
  BAUTA_TRY(slot.computed.make_wait(returning));
  BAUTA_TRY(
      start_copy_to_host<float>(returning, slot.device_losses.span().first(samples), slot.losses.span()));
  return slot.done.record(returning);
}

Status TrainingStep::set_images(const Context& context, Slot& slot, const DeviceBatch& batch) {
  const Inputs inputs(slot.device_inputs.data(), static_cast<std::size_t>(graph_.max_batch()));
  return graph_.set_images(context, static_cast<int>(batch.labels.size()), batch.images, batch.image_count,
                           inputs.places, batch.augment.empty() ? nullptr : inputs.augment);
}

// All of a step that the device does once it has the images.
Status TrainingStep::compute(Slot& slot, const DeviceBatch& batch) {
  const Context& context = graph_.context();
  const Inputs inputs(slot.device_inputs.data(), static_cast<std::size_t>(graph_.max_batch()));
  const int samples = static_cast<int>(batch.labels.size());
  BAUTA_TRY(graph_.forward(samples));
  if (samples > 0) {
    const SoftmaxXentShape shape{samples, static_cast<int>(class_weights_.size())};
    BAUTA_TRY(softmax_xent_loss(context, shape, graph_.logits(), inputs.labels, weights_.data(), inputs.scale,
                                {.losses = slot.device_losses.data(),
                                 .dlogits = graph_.logits_gradient(),
                                 .not_finite = graph_.not_finite()}));
  }
  BAUTA_TRY(backward(batch.shards));
  BAUTA_TRY(communicator_->finish());
  return optimizer_->step(context, inputs.numbers, graph_.not_finite(), graph_.parameter_gradients(),
                          graph_.parameter_values());
}

// Gradients lie in the order of the layers and become final from the end: each bucket starts on its way while
// the layers before it are still computed.
Status TrainingStep::backward(const Shards& shards) {
  const std::span<float> gradients = graph_.gradients_to_share();
  Index end = std::ssize(gradients);
  return graph_.backward(shards, [&](Index first, const Context& context) {
    if (end - first < kBucketFloats && first > 0) return;
    communicator_->start_sum(
        gradients.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first)), context);
    end = first;
  });
}

Status TrainingStep::wait_for(const Slot& slot) {
  const Activity::Work work(communicator_->activity(), Activity::Kind::waits_for_gpu);
  return slot.done.wait();
}

Result<WeightedLoss> TrainingStep::finish() {
  const Activity::Work work(communicator_->activity());
  if (losses_.empty()) BAUTA_TRY(add_up_losses((unfinished() + 1) / 2));
  const WeightedLoss loss = losses_.front();
  losses_.pop_front();
  ++finished_;
  return loss;
}

// Of the oldest steps that are not finished. One sum for several: to say a number to all ranks takes as long
// as a step of a small batch does.
Status TrainingStep::add_up_losses(int steps) {
  std::vector<double> sums;
  for (std::int64_t step = finished_; step < finished_ + steps; ++step) {
    const Activity::Work one(communicator_->activity());  // steps hang one by one
    const Slot& slot = this->slot(step);
    BAUTA_TRY(wait_for(slot));
    const auto samples = static_cast<std::size_t>(slot.shards.batch());
    sums.push_back(sum_losses(slot.losses.span().first(samples), slot.shards));
  }
  communicator_->start_sum(std::span(sums));
  BAUTA_TRY(communicator_->finish());
  for (int i = 0; i < steps; ++i)
    losses_.push_back({sums[static_cast<std::size_t>(i)], slot(finished_ + i).weight});
  return {};
}

Result<WeightedLoss> TrainingStep::run(const DeviceBatch& batch, int step, float lr) {
  BAUTA_TRY(start(batch, step, lr));
  auto loss = finish();
  if (loss.ok() && !std::isfinite(loss->sum)) return non_finite_error(batch, step);
  return loss;
}

// The parameters are what they were: forward again finds the layer.
Status TrainingStep::non_finite_error(const DeviceBatch& batch, int step) {
  const int samples = static_cast<int>(batch.labels.size());
  BAUTA_TRY(set_images(graph_.context(), slot(started_ - 1), batch));
  BAUTA_TRY(graph_.forward(samples));
  return non_finite_error("the loss is not finite at step " + std::to_string(step), samples);
}

Status TrainingStep::non_finite_error(const std::string& what, int samples) {
  const auto culprit = graph_.first_non_finite(samples);
  if (!culprit.ok()) return culprit.status();
  const auto culprits = communicator_->all_gather(*culprit);
  if (!culprits.ok()) return culprits.status();
  const auto layer = std::ranges::find_if(*culprits, [](const std::string& name) { return !name.empty(); });
  return Status::error(what + (layer == culprits->end() ? "" : ", first in " + *layer), {},
                       "lower --lr, with another --out, or look for damaged weights or data; what was saved "
                       "before is as it was");
}

}  // namespace bauta
