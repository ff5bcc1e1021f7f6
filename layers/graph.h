#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/buffer.h"
#include "kernels/common.h"
#include "layers/model.h"
#include "layers/node.h"
#include "layers/parameters.h"

namespace bauta {

enum class GraphMode {
  inference,  ///< forward alone; activations share memory
  training,   ///< activations are kept for backward; gradients exist
};

/// A Model made to run: its layers fused where a fused kernel exists, of each layer only the region computed
/// that is read further on, and every array placed in one block of memory before the first step. Not movable
/// while running; one call at a time.
class Graph {
 public:
  /// Plans for batches of up to `max_batch` samples (at least 1). The context's pool must outlive the graph;
  /// its workspace is not used, the graph has its own.
  static Result<Graph> create(const Context&, const Model&, int max_batch, GraphMode);

  const Model& model() const { return model_; }
  const Context& context() const { return context_; }
  int max_batch() const { return max_batch_; }
  /// Bytes of the one block: activations, gradients of activations, workspace.
  std::size_t arena_bytes() const { return arena_.size(); }

  /// Where the batch goes before forward: [N, height, width, channels] of Model::input().
  float* input() { return activation(0); }
  /// What forward put out: [N, classes]. Valid until the next forward.
  const float* logits() const { return activation(nodes_.size()); }
  /// Where the loss's gradient goes before backward: [N, classes].
  float* logits_gradient() { return gradient(nodes_.size()); }

  /// Runs all layers on the `batch` samples in input(); 0 samples are no work.
  Status forward(int batch);
  /// From logits_gradient() to parameter_gradients() of the shards that this process holds.
  Status backward(const Shards&);

  /// All parameters in one array, in memory's order; see Parameter::offset. The gradients lie alike.
  std::span<float> parameter_values() { return values_.span(); }
  std::span<const float> parameter_values() const { return values_.span(); }
  std::span<const float> parameter_gradients() const { return gradients_.span(); }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  /// The first layer whose parameters or output for the last batch hold a NaN or an infinity, in words; empty
  /// if none.
  std::string first_non_finite(int batch) const;

 private:
  Graph() = default;
  void add_nodes(const std::vector<Size3>& sizes);
  void plan(GraphMode);
  NodeArrays arrays(std::size_t node);

  float* activation(std::size_t i) const { return at<float>(activations_[i]); }
  float* gradient(std::size_t i) const { return at<float>(activation_gradients_[i]); }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(const_cast<std::byte*>(arena_.data()) + offset);
  }

  Model model_;
  Context context_;
  int max_batch_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::string> node_names_;
  std::vector<Parameter> parameters_;
  Buffer<float> values_;
  Buffer<float> gradients_;
  Buffer<std::byte> arena_;
  // Offsets into the arena. Activation i is node i's x and node i - 1's y.
  std::vector<std::size_t> activations_;
  std::vector<std::size_t> activation_gradients_;
  std::vector<std::size_t> saved_;
};

}  // namespace bauta
