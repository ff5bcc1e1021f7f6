#include "apps/bauta/measure_epoch.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include "apps/bauta/bench_step.h"
#include "apps/bauta/terminal.h"
#include "engine/core/host.h"
#include "engine/core/stream.h"
#include "engine/data/batch_part.h"
#include "engine/data/image_feed.h"
#include "layers/zoo.h"
#include "optim/predict.h"

namespace bauta {
namespace {

constexpr int kImages = 1024;  // that differ: more than caches hold
constexpr int kRounds = 15;
constexpr double kSeconds = 10;     // of training that are measured
constexpr double kPartSeconds = 1;  // of a part's steps without sums
constexpr int kSums = 20;

/// A communicator that keeps the time of another's sums.
class TimedSums final : public Communicator {
 public:
  explicit TimedSums(Communicator& inner) : Communicator(inner.rank(), inner.hosts()), inner_(inner) {}

  Activity& activity() override { return inner_.activity(); }
  bool sums_on_gpus() const override { return inner_.sums_on_gpus(); }
  void start_sum(std::span<float> values, const Context& computed) override {
    if (!started_) started_ = seconds_now();
    last_bytes = values.size_bytes();
    inner_.start_sum(values, computed);
  }
  void start_sum(std::span<double> values) override { inner_.start_sum(values); }
  Status finish() override {
    const double begin = seconds_now();
    if (started_) window += begin - *started_;
    started_.reset();
    Status status = inner_.finish();
    waited += seconds_now() - begin;
    return status;
  }
  Status broadcast(std::span<std::byte> bytes) override { return inner_.broadcast(bytes); }
  Result<std::vector<std::string>> all_gather(const std::string& mine) override {
    return inner_.all_gather(mine);
  }

  double waited = 0;           ///< seconds within finish()
  double window = 0;           ///< seconds from the first start of a sum of floats to finish()
  std::size_t last_bytes = 0;  ///< of the last sum of floats

 private:
  Communicator& inner_;
  std::optional<double> started_;
};

Dataset random_dataset(const Model& model) {
  Dataset::Contents contents;
  contents.size = image_size(model);
  contents.classes = model.classes();
  auto images = random_images(model, kImages);
  const auto pixels = std::make_shared<const std::vector<std::uint8_t>>(std::move(images.pixels));
  contents.pixels = *pixels;
  contents.storage = pixels;
  contents.labels = std::move(images.labels);
  contents.names.resize(kImages);
  return Dataset(std::move(contents));
}

// So many samples, over and over.
std::vector<int> samples(int count) {
  std::vector<int> order(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) order[static_cast<std::size_t>(i)] = i % kImages;
  return order;
}

// All ranks begin together.
Status meet(Communicator& communicator) { return communicator.all_gather({}).status(); }

/// One rank at work.
class EpochBench {
 public:
  EpochBench(const Context& context, Communicator& communicator, const EpochPlan& plan, Model model)
      : context_(context),
        sums_(communicator),
        plan_(plan),
        model_(std::move(model)),
        data_(random_dataset(model_)) {}

  Result<EpochMeasurement> run() {
    const Status measured = measure();
    if (stopped_) return EpochMeasurement{};
    BAUTA_TRY(measured);
    return result_;
  }

 private:
  Status measure() {
    auto step = make_bench_step(context_, model_, largest_part(plan_.batch, sums_.size()), sums_);
    if (!step.ok()) return step.status();
    step_.emplace(std::move(*step));
    auto feed = ImageFeed::create(context_, data_, step_->inference().max_batch(), /*stream=*/false, sums_);
    if (!feed.ok()) return feed.status();
    feed_.emplace(std::move(*feed));
    result_.ranks = sums_.size();
    result_.threads = thread_count(context_);
    BAUTA_TRY(measure_training());
    BAUTA_TRY(ask_for_stop());
    BAUTA_TRY(measure_validation());
    if (sums_.size() > 1) BAUTA_TRY(measure_sums());
    for (const int part : plan_.parts) {
      BAUTA_TRY(ask_for_stop());
      BAUTA_TRY(measure_compute(part));
    }
    // Where the GPU's stream waits for the sums, the host does not.
    if (sums_.sums_on_gpus())
      result_.waited = std::max(0.0, result_.step - result_.compute.at(plan_.parts.front()));
    return {};
  }

  int train_steps() const { return (plan_.train_images + plan_.batch - 1) / plan_.batch; }

  // Seconds of a step, the mean of the steps on these samples.
  Result<double> train(std::vector<int> order) {
    LoaderOptions loading;
    loading.batch = plan_.batch;
    loading.rank = sums_.rank();
    loading.ranks = sums_.size();
    const auto loader = feed_->load(std::move(order), loading);
    if (!loader.ok()) return loader.status();
    BAUTA_TRY(meet(sums_));
    const double begin = seconds_now();
    for (int i = 0; i < (*loader)->batches(); ++i) {
      const auto batch = feed_->next(**loader, sums_.activity());
      if (!batch.ok()) return batch.status();
      BAUTA_TRY(start_step(*step_, **batch, ++steps_done_, kBenchLr));
      if ((i + 1) % step_->steps_summed_together() == 0) BAUTA_TRY(ask_for_stop());
    }
    BAUTA_TRY(finish_steps(*step_, 0));
    return (seconds_now() - begin) / (*loader)->batches();
  }

  // Ranks ask each other whether one was told to stop, as often as in training.
  Status ask_for_stop() {
    BAUTA_TRY(put_into(stopped_, on_any_rank(sums_, plan_.stop != nullptr && *plan_.stop)));
    return stopped_ ? Status::error("stopped") : Status();
  }

  // Rank 0's choice.
  Result<int> steps_to_measure(double seconds_of_a_step) {
    int steps = plan_.steps > 0 ? plan_.steps : static_cast<int>(kSeconds / seconds_of_a_step);
    steps = plan_.full ? train_steps() : std::clamp(steps, 1, train_steps());
    BAUTA_TRY(broadcast(sums_, std::span(&steps, 1)));
    return steps;
  }

  // In rounds, whose median counts where they stand for more than themselves.
  Status measure_training() {
    BAUTA_TRY(train(samples((kWarmUpSteps + step_->steps_to_record()) * plan_.batch)).status());
    const auto warm_up = train(samples(kWarmUpSteps * plan_.batch));
    if (!warm_up.ok()) return warm_up.status();
    const auto steps = steps_to_measure(*warm_up);
    if (!steps.ok()) return steps.status();
    result_.steps = *steps;
    sums_.waited = sums_.window = 0;
    const int count = std::min(kRounds, *steps);
    std::vector<double> rounds;
    Progress bar("training", count);
    for (int round = 0; round < count; ++round) {
      const int round_steps = *steps * (round + 1) / count - *steps * round / count;
      const auto seconds = train(samples(round_steps * plan_.batch));
      if (!seconds.ok()) return seconds.status();
      rounds.push_back(*seconds);
      bar.update(round + 1);
    }
    std::ranges::sort(rounds);
    result_.step = plan_.full ? std::reduce(rounds.begin(), rounds.end()) / count : rounds[rounds.size() / 2];
    result_.fastest_step = rounds.front();
    result_.waited = sums_.waited / *steps;
    result_.window = sums_.window / *steps;
    result_.gradient_bytes = step_->graph().gradients_to_share().size_bytes();
    result_.last_bytes = sums_.last_bytes;
    return {};
  }

  Status measure_validation() {
    result_.val_images =
        plan_.full ? plan_.val_images : std::min(plan_.val_images, result_.steps * plan_.batch);
    const std::vector<int> order = samples(result_.val_images);
    BAUTA_TRY(meet(sums_));
    const double begin = seconds_now();
    Progress bar("validation", result_.val_images);
    BAUTA_TRY(predict(
                  step_->inference(), *feed_, order, step_->class_weights(),
                  [&](int done) { bar.update(done); }, sums_)
                  .status());
    result_.val_image = (seconds_now() - begin) / result_.val_images;
    return {};
  }

  // By themselves, with nothing to compute.
  Status measure_sums() {
    const auto array = DeviceBuffer<float>::create(context_, step_->graph().gradients_to_share().size());
    if (!array.ok()) return array.status();
    for (auto [seconds, size] :
         {std::pair(&result_.hop, std::size_t{1}), std::pair(&result_.sum, array->size())}) {
      double begin = 0;
      for (int i = -1; i < kSums; ++i) {  // the first warms up
        if (i == 0) BAUTA_TRY(meet(sums_));
        if (i == 0) begin = seconds_now();
        sums_.start_sum(array->span().first(size), context_);
        BAUTA_TRY(sums_.finish());
      }
      BAUTA_TRY(wait_for_stream(context_));
      *seconds = (seconds_now() - begin) / kSums;
    }
    return {};
  }

  Status measure_compute(int images) {
    auto bench = StepBench::create(context_, model_, images);
    if (!bench.ok()) return bench.status();
    const auto warm_up = bench->warm_up();
    if (!warm_up.ok()) return warm_up.status();
    BAUTA_TRY(meet(sums_));
    const auto seconds = bench->round(std::max(1, static_cast<int>(kPartSeconds / *warm_up)));
    if (!seconds.ok()) return seconds.status();
    result_.compute[images] = *seconds;
    return {};
  }

  const Context& context_;
  TimedSums sums_;
  const EpochPlan& plan_;
  const Model model_;
  const Dataset data_;
  std::optional<TrainingStep> step_;
  std::optional<ImageFeed> feed_;
  int steps_done_ = 0;
  bool stopped_ = false;
  EpochMeasurement result_;
};

}  // namespace

Result<EpochMeasurement> measure_epoch(const Machine& machine, Communicator& communicator,
                                       const EpochPlan& plan) {
  auto model = zoo_model(zoo_names().front());
  if (!model.ok()) return model.status();
  auto result = EpochBench(machine.context(), communicator, plan, std::move(*model)).run();
  if (result.ok()) result->device = machine.description();
  return result;
}

}  // namespace bauta
