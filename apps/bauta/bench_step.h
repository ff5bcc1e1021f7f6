#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/data/whole_batch.h"
#include "optim/training_step.h"

namespace bauta {

/// Steps before the first that counts, beside those that a GPU loads and records its kernels in, and how
/// large each is.
inline constexpr int kWarmUpSteps = 5;
inline constexpr float kBenchLr = 1e-5F;

/// Random images and labels.
struct RandomImages {
  std::vector<std::uint8_t> pixels;  ///< [N, height, width, channels]
  std::vector<std::int32_t> labels;  ///< [N]
};
RandomImages random_images(const Model&, int count);

/// Training of a network from random weights by Adam, every class weighing alike; `batch` images of each
/// rank.
Result<TrainingStep> make_bench_step(const Context&, const Model&, int batch, Communicator& = alone());

/// Starts a step, and finishes earlier ones until no more are unfinished than a device needs.
Status start_step(TrainingStep&, const DeviceBatch&, int step, float lr);
/// Finishes steps until no more than `left` are unfinished.
Status finish_steps(TrainingStep&, int left);

/// Trains on one batch of random images over and over, and keeps the time.
class StepBench {
 public:
  static Result<StepBench> create(const Context&, const Model&, int batch);

  /// Seconds per step, the mean over `steps` steps.
  Result<double> round(int steps);
  /// The same of kWarmUpSteps, after as many that are not timed, and those of a GPU that record.
  Result<double> warm_up();

 private:
  StepBench(TrainingStep step, WholeBatch data) : step_(std::move(step)), data_(std::move(data)) {}

  TrainingStep step_;
  WholeBatch data_;
  int steps_done_ = 0;
};

/// One step of the study's network on a batch of so many random images, by itself: for what launches leave in
/// the context. What the loss is does not matter.
Status run_study_step(const Context&, int batch);

}  // namespace bauta
