#pragma once

#include <cstdint>
#include <vector>

#include "optim/training_step.h"

namespace bauta {

/// Random images and labels, as many as one batch.
struct RandomBatch {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;

  RandomBatch(const Model& model, int batch);
  /// The whole of a global batch; valid as long as this is.
  StepBatch step_batch() const;
};

/// Training of a network from random weights by Adam, every class weighing alike.
Result<TrainingStep> make_bench_step(const Context&, const Model&, int batch);

}  // namespace bauta
