#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/whole_batch.h"
#include "optim/training_step.h"

namespace bauta {

/// Random images and labels.
struct RandomImages {
  std::vector<std::uint8_t> pixels;  ///< [N, height, width, channels]
  std::vector<std::int32_t> labels;  ///< [N]
};
RandomImages random_images(const Model&, int count);

/// Random images and labels, as many as one batch, on a device.
Result<WholeBatch> random_batch(const Context&, const Model&, int batch);

/// Training of a network from random weights by Adam, every class weighing alike; `batch` images of each
/// rank.
Result<TrainingStep> make_bench_step(const Context&, const Model&, int batch, Communicator& = alone());

/// Starts a step, and finishes earlier ones until no more are unfinished than a device needs.
Status start_step(TrainingStep&, const DeviceBatch&, int step, float lr);
/// Finishes steps until no more than `left` are unfinished.
Status finish_steps(TrainingStep&, int left);

/// One step of the study's network on a batch of so many random images, by itself: for what launches leave in
/// the context. What the loss is does not matter.
Status run_study_step(const Context&, int batch);

}  // namespace bauta
