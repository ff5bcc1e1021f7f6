#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/stream.h"
#include "kernels/common.h"
#include "kernels/gather_images/gather_images.h"
#include "layers/model.h"
#include "layers/node.h"
#include "layers/parameters.h"

namespace bauta {

class ArenaPlan;

enum class GraphMode {
  inference,  ///< forward alone; activations share memory
  training,   ///< activations are kept for backward; gradients exist
};

/// Is told, layer by layer from the last to the first, from which float on all gradients are final once the
/// context's stream has done what it was given so far.
using GradientsReady = std::function<void(Index first, const Context&)>;

/// A Model made to run: its layers fused where a fused kernel exists, of each layer only the region computed
/// that is read further on, and every array placed in one block of the device's memory before the first step.
/// Pointers and spans to its arrays are the device's: see engine/core/device.h. Not movable while running;
/// one call at a time.
class Graph {
 public:
  /// Plans for batches of up to `max_batch` samples (at least 1). The context's pool must outlive the graph;
  /// its workspace is not used, the graph has its own. Fails where the device's memory does not suffice, and
  /// says which batch would fit.
  static Result<Graph> create(const Context&, const Model&, int max_batch, GraphMode);

  /// Bytes of the device's memory that create() takes.
  static Result<std::size_t> memory_needed(const Context&, const Model&, int max_batch, GraphMode);

  /// A graph for inference with this one's parameters, that takes no memory: it computes where this one,
  /// which is for training and outlives it, keeps what lies between forward and backward. So its batches,
  /// which come between two steps, may be larger: as large as fits there, up to some million pixels.
  Result<Graph> inference() const;

  const Model& model() const { return model_; }
  const Context& context() const { return context_; }
  int max_batch() const { return max_batch_; }
  /// Bytes of the one block: parameters, activations, the gradients of both, workspace. 0: borrowed.
  std::size_t arena_bytes() const { return arena_.size(); }

  /// Where the batch goes before forward: [N, height, width, channels] of Model::input().
  float* input() { return activation(0); }
  /// Inputs that there are to choose from: two in training where a device computes beside the host, so that
  /// one can be filled while the layers read the other.
  int inputs() const { return static_cast<int>(offsets_.inputs.size()); }
  /// input() is the i-th of them from now on. At first it is the first.
  void choose_input(int i);
  /// Puts a batch of images into input(): those at `places` [batch] of `images` [image_count, height, width,
  /// channels], augmented by `augment` [batch] unless it is null, and divided by 255. All in the device's
  /// memory. The work is the context's: this graph's, or one with another stream.
  Status set_images(const Context&, int batch, const std::uint8_t* images, int image_count,
                    const std::int32_t* places, const AugmentParams* augment);
  /// What forward put out: [N, classes]. Valid until the next forward; may be overwritten.
  float* logits() { return activation(nodes_.size()); }
  /// Where the loss's gradient goes before backward: [N, classes].
  float* logits_gradient() { return gradient(nodes_.size()); }

  /// Runs all layers on the `batch` samples in input(); 0 samples are no work.
  Status forward(int batch);
  /// From logits_gradient() to parameter_gradients() of the shards that this process holds. On a device with
  /// several orders of work each layer's wgrad, but for the first layer's, goes on beside the dgrads of the
  /// layers before it; what the context's stream is given afterwards waits for both. `ready` may be empty.
  Status backward(const Shards&, const GradientsReady& ready = {});

  /// All parameters in one array, in memory's order; see Parameter::offset. The gradients lie alike.
  std::span<float> parameter_values() { return values_; }
  std::span<const float> parameter_values() const { return values_; }
  std::span<float> parameter_gradients() { return gradients_.first(values_.size()); }
  /// The same with one number more, which adds up with them when ranks add theirs: not_finite(). In training
  /// alone.
  std::span<float> gradients_to_share() { return gradients_; }
  /// 0 until a loss writes that it was not finite (softmax_xent.h); nobody clears it.
  float* not_finite() { return &gradients_to_share().back(); }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  /// The first layer whose parameters or output for the last batch hold a NaN or an infinity, in words; empty
  /// if none.
  Result<std::string> first_non_finite(int batch) const;

 private:
  // Offsets in memory_ of the arrays that samples need, in bytes. An activation is a node's x and the y of
  // the one before.
  struct Offsets {
    std::vector<std::size_t> inputs;
    std::size_t of_input = 0;  // the first so many activations are an input
    std::vector<std::size_t> activations;
    std::vector<std::size_t> activation_gradients;
    std::vector<std::size_t> saved;
    std::size_t workspace = 0;
    std::size_t workspace_bytes = 0;
    std::size_t wgrad_workspace = 0;  // of wgrads that go on beside the chain
    std::size_t wgrad_workspace_bytes = 0;
    std::size_t bytes = 0;
  };

  Graph() = default;
  Status prepare(const Context&, const Model&, GraphMode);
  Status settle(int max_batch);
  std::size_t value_floats() const { return static_cast<std::size_t>(parameters_size(parameters_)); }
  std::size_t gradient_floats() const { return mode_ == GraphMode::training ? value_floats() + 1 : 0; }
  std::size_t parameter_bytes() const;
  void add_nodes(const std::vector<Size3>& sizes);
  bool has_two_inputs() const { return mode_ == GraphMode::training && !reads_host_memory(context_); }
  // Whether wgrads go on beside the chain of dgrads, and whether a node's does: the first node's, which has
  // no dgrad, ends the chain, so that it need not queue behind the others.
  bool has_wgrads_beside() const;
  bool wgrad_is_beside(std::size_t node) const { return node > 0 && has_wgrads_beside(); }
  Status open_contexts();
  Offsets plan(int batch) const;
  void add_activations(ArenaPlan&, int batch, Offsets& offsets) const;
  void add_workspaces(ArenaPlan&, int batch, Offsets& offsets) const;
  void add_saved(ArenaPlan&, int batch, Offsets& offsets) const;
  NodeArrays arrays(std::size_t node);
  Result<bool> is_finite(const float* values, Index count) const;

  float* activation(std::size_t i) const { return at<float>(offsets_.activations[i]); }
  float* gradient(std::size_t i) const { return at<float>(offsets_.activation_gradients[i]); }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(memory_.data() + offset);
  }

  Model model_;
  Context context_;
  Context wgrad_context_;  // with another stream and workspace, where wgrads go on beside the rest
  GraphMode mode_ = GraphMode::inference;
  int max_batch_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::string> node_names_;
  std::vector<Parameter> parameters_;
  Offsets offsets_;
  DeviceBuffer<std::byte> arena_;  // parameters, then what samples need; none: these are another graph's
  std::span<float> values_;
  std::span<float> gradients_;   // and not_finite(); none: inference
  std::span<std::byte> memory_;  // of what samples need
  Stream wgrads_;
  Event gradient_written_;
  Event wgrads_done_;
};

}  // namespace bauta
