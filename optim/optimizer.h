#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "kernels/common.h"

namespace bauta {

enum class OptimizerKind { adam, sgd };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adam;
  float beta1 = 0.9F;     ///< Adam
  float beta2 = 0.999F;   ///< Adam
  float epsilon = 1e-8F;  ///< Adam
  float momentum = 0.9F;  ///< SGD
};

/// Turns gradients into steps and keeps what it remembers of earlier ones. All arrays are the device's: see
/// engine/core/device.h.
class Optimizer {
 public:
  /// One array of what is remembered: as long as the parameters and in their order.
  struct State {
    const char* name;  ///< "m", "v", "momentum": part of the tensors' names in checkpoints
    std::span<float> values;
  };

  virtual ~Optimizer() = default;

  /// What a step depends on besides the arrays: a kernel's numbers, padded with zeros.
  using Numbers = std::array<float, 8>;
  /// Those of step `step`, counted from 1.
  virtual Result<Numbers> numbers(int step, float lr) const = 0;
  /// Changes the parameters by one step, unless *skip is not 0; it may be null. `numbers` and `skip` are in
  /// the device's memory. Both spans have the size given at the making.
  virtual Status step(const Context&, const float* numbers, const float* skip,
                      std::span<const float> gradients, std::span<float> parameters) = 0;
  virtual std::vector<State> states() = 0;
};

/// An optimiser for `size` parameters on the context's device, with nothing remembered.
Result<std::unique_ptr<Optimizer>> make_optimizer(const Context&, const OptimizerOptions&, std::size_t size);

}  // namespace bauta
