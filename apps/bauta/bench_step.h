#pragma once

#include <cstdint>
#include <vector>

#include "optim/training_step.h"

namespace bauta {

/// Random images and labels, as many as one batch, on a device.
class RandomBatch {
 public:
  static Result<RandomBatch> create(const Context&, const Model&, int batch);
  /// The whole of a global batch; valid as long as this is.
  DeviceBatch step_batch() const;

 private:
  DeviceBuffer<std::uint8_t> images_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int32_t> places_;
};

/// Training of a network from random weights by Adam, every class weighing alike.
Result<TrainingStep> make_bench_step(const Context&, const Model&, int batch);

}  // namespace bauta
