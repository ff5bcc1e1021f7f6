#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "layers/model.h"
#include "layers/parameters.h"

namespace bauta {

/// A file of weights and the network that they are for.
struct WeightFile {
  Model model;
  Safetensors file;
  bool has_metadata = false;  ///< false: a bare PyTorch state dict, taken for the study's network
};

/// Opens a safetensors file of weights. Its metadata name the graph, the classes and the preprocessing; a
/// file without metadata is taken for a PyTorch state dict of the study's network. Every parameter is known
/// to be there with its shape before anything is allocated for the network. Fails, naming the tensor, where
/// one is missing, has another shape or type, or belongs to no layer; `crossEntropyLoss.weight` and
/// `optimizer.*` are passed over.
Result<WeightFile> open_weights(const std::string& path);

/// Fails, naming the tensor, unless `file` holds every parameter as fp32 with its shape and nothing unknown.
Status check_parameters(const Safetensors& file, std::span<const Parameter> parameters,
                        const std::string& model);

/// Copies the tensors `prefix` + name of all parameters, which must be there with the right shape, into
/// memory's order. `memory` holds parameters_size floats.
Status load_parameters(const Safetensors& file, const std::string& prefix,
                       std::span<const Parameter> parameters, std::span<float> memory);

/// Parameters in the file's order, with the storage that the views refer to.
class ParameterTensors {
 public:
  /// Adds the tensors `prefix` + name from memory's order.
  void add(const std::string& prefix, std::span<const Parameter> parameters, std::span<const float> memory);
  const std::vector<TensorView>& views() const { return views_; }

 private:
  std::vector<std::vector<float>> storage_;
  std::vector<TensorView> views_;
};

/// The metadata that let a file run alone: format, model, graph, classes, preprocessing.
Metadata model_metadata(const Model&);

}  // namespace bauta
