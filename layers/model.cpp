#include "layers/model.h"

#include <algorithm>
#include <cstdint>

#include "kernels/maxpool/maxpool.h"

namespace bauta {
namespace {

// Larger than any network of sense, and small enough that no size computed from it overflows.
constexpr int kLargestSize = 1 << 14;
constexpr int kLargestFeatures = 1 << 20;

bool in_range(int value, int low, int high) { return value >= low && value <= high; }

int windows(int in, int kernel, int stride, int pad) { return (in + 2 * pad - kernel) / stride + 1; }

Status bad_layer(const Layer& layer, std::size_t index, const std::string& what) {
  const std::string name = layer.name.empty() ? "" : " '" + layer.name + "'";
  return Status::error("layer " + std::to_string(index) + name + " " + what, {},
                       "check the network's description");
}

bool sensible(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::relu:
      return true;
    case LayerKind::linear:
      return !layer.name.empty() && in_range(layer.out_channels, 1, kLargestFeatures);
    case LayerKind::conv2d:
      return !layer.name.empty() && in_range(layer.out_channels, 1, kLargestSize) &&
             in_range(layer.kernel, 1, kLargestSize) && in_range(layer.stride, 1, kLargestSize) &&
             in_range(layer.pad, 0, layer.kernel - 1);
    case LayerKind::maxpool:
      return in_range(layer.kernel, 1, kLargestSize) && in_range(layer.stride, 1, kLargestSize);
  }
  return false;
}

Size3 output_of(const Layer& layer, Size3 in) {
  switch (layer.kind) {
    case LayerKind::relu:
      return in;
    case LayerKind::linear:
      return {1, 1, layer.out_channels};
    case LayerKind::conv2d:
      return {windows(in.height, layer.kernel, layer.stride, layer.pad),
              windows(in.width, layer.kernel, layer.stride, layer.pad), layer.out_channels};
    case LayerKind::maxpool:
      return {windows(in.height, layer.kernel, layer.stride, 0),
              windows(in.width, layer.kernel, layer.stride, 0), in.channels};
  }
  return in;
}

Status check_window(const Layer& layer, std::size_t index, Size3 in) {
  switch (layer.kind) {
    case LayerKind::relu:
    case LayerKind::linear:
      return {};
    case LayerKind::conv2d:
      break;
    case LayerKind::maxpool:
      if (layer.kernel <= kLargestPoolWindow) break;
      return bad_layer(layer, index, "has a window of more than " + std::to_string(kLargestPoolWindow));
  }
  if (layer.kernel <= std::min(in.height, in.width) + 2 * layer.pad) return {};
  return bad_layer(layer, index, "has a window larger than its input");
}

// What a layer may put out for one sample: no network for pictures comes near, and a description that claims
// more would make its reader allocate what no file has shown it to need.
bool countable(Size3 size) {
  return std::int64_t{size.height} * size.width * size.channels <= std::int64_t{1} << 26;
}

}  // namespace

Model& Model::conv2d(std::string name, int out_channels, int kernel, int stride, int pad) {
  layers_.push_back({LayerKind::conv2d, std::move(name), out_channels, kernel, stride, pad});
  return *this;
}

Model& Model::relu() {
  layers_.push_back({LayerKind::relu, {}});
  return *this;
}

Model& Model::maxpool(int window, int stride) {
  layers_.push_back({LayerKind::maxpool, {}, 0, window, stride == 0 ? window : stride, 0});
  return *this;
}

Model& Model::linear(std::string name, int out_features) {
  layers_.push_back({LayerKind::linear, std::move(name), out_features});
  return *this;
}

Result<std::vector<Size3>> Model::output_sizes() const {
  if (!in_range(input_.height, 1, kLargestSize) || !in_range(input_.width, 1, kLargestSize) ||
      !in_range(input_.channels, 1, kLargestSize) || !countable(input_)) {
    return Status::error("the network's input has no sensible size", {}, "check the network's description");
  }
  for (const std::string& name : classes_) {
    if (std::count(classes_.begin(), classes_.end(), name) == 1) continue;
    return Status::error("two of the network's classes are called '" + name + "'", {},
                         "give every class a name of its own");
  }
  std::vector<Size3> sizes;
  Size3 in = input_;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    if (!sensible(layer)) return bad_layer(layer, i, "has sizes that make no sense");
    const auto has_its_name = [&](const Layer& other) { return other.name == layer.name; };
    if (has_parameters(layer.kind) && std::ranges::count_if(layers_, has_its_name) > 1)
      return bad_layer(layer, i, "has the name of another layer");
    BAUTA_TRY(check_window(layer, i, in));
    in = output_of(layer, in);
    if (!countable(in)) return bad_layer(layer, i, "puts out more values than can be counted");
    sizes.push_back(in);
  }
  if (in != Size3{1, 1, static_cast<int>(classes_.size())} || sizes.empty()) {
    return Status::error("the network does not end in one logit for each of its " +
                             std::to_string(classes_.size()) + " classes",
                         {}, "let its last layer be linear, of as many features as there are classes");
  }
  return sizes;
}

}  // namespace bauta
