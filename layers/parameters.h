#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/common.h"
#include "layers/model.h"

namespace bauta {

/// One trainable tensor of a network. In files it is PyTorch's: name, shape and order. In memory its axes are
/// permuted for the kernels: a convolution's [O,C,K,K] lies as [K,K,C,O], and the features of a linear layer
/// that flattens [C,H,W] lie in the order of [H,W,C].
struct Parameter {
  std::string name;                 ///< "convLayer1.0.weight"
  std::vector<std::int64_t> shape;  ///< in files
  std::vector<std::int64_t> axes;   ///< sizes of the axes that are permuted, in the file's order
  std::vector<int> order;           ///< axis i in memory is axes[order[i]]
  Index offset = 0;                 ///< first float in the arrays that hold all parameters; a multiple of 16
  Index size = 0;                   ///< floats
  bool is_bias = false;
  std::int64_t fan_in = 0;   ///< inputs of one output
  std::int64_t fan_out = 0;  ///< outputs that one input takes part in
};

/// The network's parameters in order; weight before bias, layer by layer. Fails where Model::output_sizes
/// does.
Result<std::vector<Parameter>> parameters_of(const Model&);

/// Floats of the arrays that hold all parameters, gradients or one kind of optimiser state; gaps between
/// parameters are zero.
Index parameters_size(std::span<const Parameter>);

/// Copies one parameter's values between memory's order and the file's. Both spans hold parameter.size
/// floats.
void to_file_order(const Parameter&, std::span<const float> memory, std::span<float> file);
void from_file_order(const Parameter&, std::span<const float> file, std::span<float> memory);

/// First values: Xavier-uniform weights, ±√(6/(fan_in + fan_out)) (Glorot and Bengio, 2010), and PyTorch's
/// default biases, ±1/√fan_in; from the seed alone. `memory` holds parameters_size floats.
void initialize(std::span<const Parameter>, std::uint64_t seed, std::span<float> memory);

}  // namespace bauta
