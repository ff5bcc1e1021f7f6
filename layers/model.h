#pragma once

#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// Rows, columns and channels of one sample.
struct Size3 {
  int height = 0;
  int width = 0;
  int channels = 0;

  int count() const { return height * width * channels; }
  friend bool operator==(const Size3&, const Size3&) = default;
};

enum class LayerKind { conv2d, relu, maxpool, linear };
/// All of them.
inline constexpr LayerKind kLayerKinds[] = {LayerKind::conv2d, LayerKind::relu, LayerKind::maxpool,
                                            LayerKind::linear};

inline bool has_parameters(LayerKind kind) { return kind == LayerKind::conv2d || kind == LayerKind::linear; }

/// One layer as its author wrote it. Fields that its kind has no use for are 0.
struct Layer {
  LayerKind kind;
  std::string name;      ///< prefix of its parameters' names, "convLayer1.0"; empty without parameters
  int out_channels = 0;  ///< conv2d: channels; linear: features
  int kernel = 0;        ///< conv2d: the kernel's rows and columns; maxpool: the window's
  int stride = 0;
  int pad = 0;
};

/// A network: a chain of layers from an image to one logit per class. A plain description; Graph makes it
/// run.
class Model {
 public:
  Model() = default;
  /// `input` is what a sample is resized to; values are bytes / 255.
  Model(std::string name, Size3 input, std::vector<std::string> classes)
      : name_(std::move(name)), input_(input), classes_(std::move(classes)) {}

  /// torch.nn.Conv2d(·, out_channels, kernel, stride, pad).
  Model& conv2d(std::string name, int out_channels, int kernel, int stride = 1, int pad = 0);
  /// torch.nn.ReLU.
  Model& relu();
  /// torch.nn.MaxPool2d(window, stride); stride 0 stands for the window's size.
  Model& maxpool(int window, int stride = 0);
  /// torch.nn.Linear(·, out_features), of the flattened input where it has rows and columns: features are
  /// numbered as PyTorch flattens [C,H,W].
  Model& linear(std::string name, int out_features);

  const std::string& name() const { return name_; }
  Size3 input() const { return input_; }
  /// Class names in the order of the logits.
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<Layer>& layers() const { return layers_; }

  /// The same network for other classes; the last layer keeps its size, so their number may not change.
  void rename_classes(std::vector<std::string> classes) { classes_ = std::move(classes); }

  /// What every layer puts out, in order; fails, naming the layer, where its sizes or its name make no sense,
  /// and unless the network ends in one logit per class and the classes' names differ.
  Result<std::vector<Size3>> output_sizes() const;

 private:
  std::string name_;
  Size3 input_;
  std::vector<std::string> classes_;
  std::vector<Layer> layers_;
};

/// The metadata "graph" of weight files: input and layers as JSON.
std::string graph_to_json(const Model&);

/// The network that a weight file's metadata describe.
/// Fails, without trusting any number in it, when the text is not such a description.
Result<Model> model_from_json(const std::string& name, const std::string& graph_json,
                              std::vector<std::string> classes);

}  // namespace bauta
