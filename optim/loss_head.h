#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "layers/graph.h"

namespace bauta {

/// The loss at a graph's end, with the arrays that it needs on the graph's device.
class LossHead {
 public:
  /// For batches up to the graph's largest; `class_weights` has one weight per class.
  static Result<LossHead> create(const Graph&, std::vector<float> class_weights);

  const std::vector<float>& class_weights() const { return class_weights_; }

  /// Runs the graph, the one that it was made for, forward on one batch of bytes [N,H,W,C]. Returns losses[n]
  /// = w·ℓ of sample n, valid until the next call. The logits are in the graph. With a gradient_scale above 0
  /// (1/Σw over the global batch) the gradient of the scaled losses is where the graph's backward begins.
  Result<std::span<const float>> forward(Graph&, std::span<const std::uint8_t> pixels,
                                         std::span<const std::int32_t> labels, float gradient_scale = 0);

 private:
  std::vector<float> class_weights_;
  std::vector<float> losses_;
  // The device's.
  DeviceBuffer<float> weights_on_device_;
  DeviceBuffer<std::int32_t> labels_on_device_;
  DeviceBuffer<float> losses_on_device_;
};

}  // namespace bauta
