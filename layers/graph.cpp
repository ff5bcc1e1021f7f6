#include "layers/graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/arena.h"

namespace bauta {
namespace {

bool is_conv_relu_pool(std::span<const Layer> layers) {
  return layers.size() >= 3 && layers[0].kind == LayerKind::conv2d && layers[1].kind == LayerKind::relu &&
         layers[2].kind == LayerKind::maxpool && layers[2].kernel == 2 && layers[2].stride == 2;
}

// Rows (or columns) that a window op reads of its `in` for the first `out` of its own.
int rows_read(const Layer& layer, int out, int in) {
  return std::min(in, (out - 1) * layer.stride - layer.pad + layer.kernel);
}

// The region of a layer's input `in` that its demanded output region `out` depends on.
Size3 region_read(const Layer& layer, Size3 out, Size3 in) {
  switch (layer.kind) {
    case LayerKind::relu:
      return out;
    case LayerKind::linear:
      return in;
    case LayerKind::conv2d:
    case LayerKind::maxpool:
      return {rows_read(layer, out.height, in.height), rows_read(layer, out.width, in.width), in.channels};
  }
  return in;
}

bool all_finite(const float* values, std::size_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

}  // namespace

Result<Graph> Graph::create(const Context& context, const Model& model, int max_batch, GraphMode mode) {
  const auto sizes = model.output_sizes();
  if (!sizes.ok()) return sizes.status();
  auto parameters = parameters_of(model);
  if (!parameters.ok()) return parameters.status();
  if (max_batch < 1) {
    return Status::usage("a batch of " + std::to_string(max_batch) + " samples", "--batch", "use at least 1");
  }
  Graph graph;
  graph.model_ = model;
  graph.context_ = context;
  graph.max_batch_ = max_batch;
  graph.parameters_ = std::move(*parameters);
  const auto floats = static_cast<std::size_t>(parameters_size(graph.parameters_));
  graph.values_ = Buffer<float>(floats);
  if (mode == GraphMode::training) graph.gradients_ = Buffer<float>(floats);
  graph.add_nodes(*sizes);
  graph.plan(mode);
  return graph;
}

// Walks from the last layer to the first and makes each node for the region that the node after it reads.
void Graph::add_nodes(const std::vector<Size3>& sizes) {
  const std::span<const Layer> layers = model_.layers();
  std::vector<std::size_t> firsts;  // the layers at which nodes begin
  for (std::size_t i = 0; i < layers.size(); i += is_conv_relu_pool(layers.subspan(i)) ? 3 : 1)
    firsts.push_back(i);

  int parameter = static_cast<int>(parameters_.size());
  Size3 out = sizes.back();
  for (auto first = firsts.rbegin(); first != firsts.rend(); ++first) {
    const Layer& layer = layers[*first];
    const bool fused = is_conv_relu_pool(layers.subspan(*first));
    const Size3 whole_in = *first == 0 ? model_.input() : sizes[*first - 1];
    const Size3 conv_out = {2 * out.height, 2 * out.width, out.channels};
    // The caller fills the whole of the network's input; every other array holds what is read of it.
    const Size3 in = *first == 0 ? whole_in : region_read(layer, fused ? conv_out : out, whole_in);
    const bool has_parameters = layer.kind == LayerKind::conv2d || layer.kind == LayerKind::linear;
    if (has_parameters) parameter -= 2;
    nodes_.push_back(fused ? make_conv_relu_pool_node(layer, in, out, parameter)
                           : make_node(layer, in, out, has_parameters ? parameter : -1));
    node_names_.push_back(has_parameters ? layer.name : "layer " + std::to_string(*first));
    out = in;
  }
  std::reverse(nodes_.begin(), nodes_.end());
  std::reverse(node_names_.begin(), node_names_.end());
}

// Time: node i runs forward at step i and backward at step 2L - i, the loss at step L.
void Graph::plan(GraphMode mode) {
  const bool training = mode == GraphMode::training;
  const std::size_t count = nodes_.size();
  const int loss = static_cast<int>(count);
  const auto forward_step = [](std::size_t node) { return static_cast<int>(node); };
  const auto backward_step = [&](std::size_t node) { return 2 * loss - static_cast<int>(node); };
  const auto bytes = [&](Size3 size) {
    return static_cast<std::size_t>(Index{max_batch_} * size.count()) * sizeof(float);
  };

  // A run of in-place nodes shares one array, which lives from its first writer to its last reader.
  const auto run_end = [&](std::size_t i) {
    while (i < count && nodes_[i]->in_place()) ++i;
    return i;
  };
  ArenaPlan plan;
  std::vector<std::size_t> activations(count + 1);
  std::vector<std::size_t> gradients(count + 1);
  std::vector<std::size_t> saved(count);
  for (std::size_t i = 0; i <= count;) {
    const std::size_t end = run_end(i);
    const Size3 size = i == 0 ? nodes_[0]->input() : nodes_[i - 1]->output();
    const int written = static_cast<int>(i) - 1;
    const int read = training ? (i == 0 ? backward_step(0) : backward_step(i - 1)) : forward_step(end);
    const std::size_t activation = plan.add(bytes(size), written, read);
    // The gradient of the network's input is never asked for.
    const bool wanted = training && i > 0;
    const std::size_t gradient = plan.add(wanted ? bytes(size) : 0, backward_step(end),
                                          wanted ? backward_step(i - 1) : backward_step(end));
    for (; i <= end; ++i) {
      activations[i] = activation;
      gradients[i] = gradient;
    }
  }
  std::size_t workspace_bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto kept = static_cast<std::size_t>(max_batch_ * nodes_[i]->saved_bytes());
    saved[i] = plan.add(training ? kept : 0, forward_step(i), backward_step(i));
    workspace_bytes = std::max(workspace_bytes, nodes_[i]->workspace(context_, max_batch_));
  }
  const std::size_t workspace = plan.add(workspace_bytes, -1, 2 * loss);
  plan.plan();

  arena_ = Buffer<std::byte>(plan.size());
  context_.workspace = arena_.span().subspan(plan.offset(workspace), workspace_bytes);
  for (std::size_t i = 0; i <= count; ++i) {
    activations_.push_back(plan.offset(activations[i]));
    activation_gradients_.push_back(plan.offset(gradients[i]));
    if (i < count) saved_.push_back(plan.offset(saved[i]));
  }
}

NodeArrays Graph::arrays(std::size_t i) {
  const bool training = gradients_.size() > 0;
  NodeArrays a;
  a.x = activation(i);
  a.y = activation(i + 1);
  if (training) {
    a.saved = at<std::uint8_t>(saved_[i]);
    a.dy = gradient(i + 1);
    a.dx = i > 0 ? gradient(i) : nullptr;
  }
  if (const int parameter = nodes_[i]->parameter(); parameter >= 0) {
    const Index weight = parameters_[static_cast<std::size_t>(parameter)].offset;
    const Index bias = parameters_[static_cast<std::size_t>(parameter) + 1].offset;
    a.w = values_.data() + weight;
    a.bias = values_.data() + bias;
    if (training) {
      a.dw = gradients_.data() + weight;
      a.dbias = gradients_.data() + bias;
    }
  }
  return a;
}

Status Graph::forward(int batch) {
  if (batch == 0) return {};
  for (std::size_t i = 0; i < nodes_.size(); ++i) BAUTA_TRY(nodes_[i]->forward(context_, batch, arrays(i)));
  return {};
}

Status Graph::backward(const Shards& shards) {
  if (shards.begin(shards.count) == 0) {  // a rank without samples adds nothing
    std::memset(gradients_.data(), 0, gradients_.size() * sizeof(float));
    return {};
  }
  for (std::size_t i = nodes_.size(); i-- > 0;) BAUTA_TRY(nodes_[i]->backward(context_, shards, arrays(i)));
  return {};
}

std::string Graph::first_non_finite(int batch) const {
  const auto samples = static_cast<std::size_t>(batch);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (const int parameter = nodes_[i]->parameter(); parameter >= 0) {
      for (int half = 0; half < 2; ++half) {
        const Parameter& p = parameters_[static_cast<std::size_t>(parameter + half)];
        if (!all_finite(values_.data() + p.offset, static_cast<std::size_t>(p.size))) return p.name;
      }
    }
    const auto count = samples * static_cast<std::size_t>(nodes_[i]->output().count());
    if (!all_finite(activation(i + 1), count)) return "the output of " + node_names_[i];
  }
  return {};
}

}  // namespace bauta
