#include "layers/graph.h"

#include <algorithm>
#include <cmath>

#include "engine/core/arena.h"

namespace bauta {
namespace {

// Pixels of a batch that keep any device busy: a larger one gains nothing.
constexpr int kEnoughPixels = 1 << 22;

bool is_conv_relu_pool(std::span<const Layer> layers) {
  return layers.size() >= 3 && layers[0].kind == LayerKind::conv2d && layers[1].kind == LayerKind::relu &&
         layers[2].kind == LayerKind::maxpool && layers[2].kernel == 2 && layers[2].stride == 2;
}

// Whether there is a ReLU that two linear layers take on.
bool is_linear_relu_linear(std::span<const Layer> layers) {
  return layers.size() >= 3 && layers[0].kind == LayerKind::linear && layers[1].kind == LayerKind::relu &&
         layers[2].kind == LayerKind::linear;
}

// How many of these layers the first node covers.
std::size_t layers_of_node(std::span<const Layer> layers) {
  if (is_conv_relu_pool(layers)) return 3;
  return is_linear_relu_linear(layers) ? 2 : 1;
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

// The steps in which arrays are in use: node i runs forward at step i and backward at step 2L - i, the loss
// at step L, after all L nodes. What goes on beside that may last until the end.
struct Timeline {
  std::size_t loss;
  bool wgrads_beside;

  int forward(std::size_t node) const { return static_cast<int>(node); }
  int backward(std::size_t node) const { return static_cast<int>(2 * loss - node); }
  int end() const { return backward(0); }
  int backward_read(std::size_t node) const { return wgrads_beside ? end() : backward(node); }
};

// Of a GPU's memory, what training takes beside a graph: kernels, two batches of images if these are
// streamed, and of each sample what the steps that are on their way are sent, some numbers.
std::size_t beside_training(Size3 input, int batch) {
  constexpr std::size_t kNumbers = 1024;
  const auto image = static_cast<std::size_t>(input.height) * static_cast<std::size_t>(input.width) *
                     static_cast<std::size_t>(input.channels);
  return kGpuReserve + static_cast<std::size_t>(batch) * (2 * image + kNumbers);
}

// What `after` is given from now on waits for what `before` was given so far.
Status put_in_order(const Context& before, Event& mark, const Context& after) {
  BAUTA_TRY(mark.record(before));
  return mark.make_wait(after);
}

}  // namespace

Result<Graph> Graph::create(const Context& context, const Model& model, int max_batch, GraphMode mode) {
  Graph graph;
  BAUTA_TRY(graph.prepare(context, model, mode));
  if (max_batch < 1) {
    return Status::usage("a batch of " + std::to_string(max_batch) + " samples", "--batch", "use at least 1");
  }
  const auto free = free_memory(context);
  if (!free.ok()) return free.status();
  const auto bytes_needed = [&](int batch) { return graph.parameter_bytes() + graph.plan(batch).bytes; };
  const auto with_all_else = [&](int batch) {
    return bytes_needed(batch) + (mode == GraphMode::training ? beside_training(model.input(), batch) : 0);
  };
  BAUTA_TRY(check_memory(*free, max_batch, with_all_else));
  BAUTA_TRY(graph.arena_.allocate(context, bytes_needed(max_batch)));
  std::byte* arena = graph.arena_.data();
  graph.values_ = {reinterpret_cast<float*>(arena), graph.value_floats()};
  arena += aligned(graph.values_.size_bytes());
  graph.gradients_ = {reinterpret_cast<float*>(arena), graph.gradient_floats()};
  graph.memory_ = graph.arena_.span().subspan(graph.parameter_bytes());
  BAUTA_TRY(graph.settle(max_batch));
  return graph;
}

Result<std::size_t> Graph::memory_needed(const Context& context, const Model& model, int max_batch,
                                         GraphMode mode) {
  Graph graph;
  BAUTA_TRY(graph.prepare(context, model, mode));
  return graph.parameter_bytes() + graph.plan(max_batch).bytes;
}

std::size_t Graph::parameter_bytes() const {
  return aligned(value_floats() * sizeof(float)) + aligned(gradient_floats() * sizeof(float));
}

Result<Graph> Graph::inference() const {
  Graph graph;
  BAUTA_TRY(graph.prepare(context_, model_, GraphMode::inference));
  graph.values_ = values_;
  graph.memory_ = memory_;
  const int enough = kEnoughPixels / (model_.input().height * model_.input().width);
  const int most = std::max(max_batch_, enough);
  const auto bytes_needed = [&](int batch) { return graph.plan(batch).bytes; };
  BAUTA_TRY(graph.settle(largest_batch(memory_.size(), most, bytes_needed)));
  return graph;
}

Status Graph::prepare(const Context& context, const Model& model, GraphMode mode) {
  const auto sizes = model.output_sizes();
  if (!sizes.ok()) return sizes.status();
  auto parameters = parameters_of(model);
  if (!parameters.ok()) return parameters.status();
  model_ = model;
  context_ = context;
  mode_ = mode;
  parameters_ = std::move(*parameters);
  add_nodes(*sizes);
  return {};
}

// Places the arrays of batches of up to `max_batch` samples in memory_.
Status Graph::settle(int max_batch) {
  max_batch_ = max_batch;
  offsets_ = plan(max_batch);
  return open_contexts();
}

// A vendor's libraries have one scratch for all they do.
bool Graph::has_wgrads_beside() const {
  if (mode_ == GraphMode::inference || reads_host_memory(context_) || context_.vendor != nullptr)
    return false;
  return std::any_of(nodes_.begin() + 1, nodes_.end(),
                     [](const auto& node) { return node->parameter() >= 0; });
}

Status Graph::open_contexts() {
  context_.workspace = memory_.subspan(offsets_.workspace, offsets_.workspace_bytes);
  if (!has_wgrads_beside()) return {};
  BAUTA_TRY(put_into(wgrads_, Stream::create(context_, StreamPriority::low)));
  BAUTA_TRY(put_into(gradient_written_, Event::create(context_)));
  BAUTA_TRY(put_into(wgrads_done_, Event::create(context_)));
  wgrad_context_ = wgrads_.of(context_);
  wgrad_context_.workspace = memory_.subspan(offsets_.wgrad_workspace, offsets_.wgrad_workspace_bytes);
  return {};
}

// Walks from the last layer to the first and makes each node for the region that the node after it reads.
void Graph::add_nodes(const std::vector<Size3>& sizes) {
  const std::span<const Layer> layers = model_.layers();
  std::vector<std::size_t> firsts;  // the layers at which nodes begin
  for (std::size_t i = 0; i < layers.size(); i += layers_of_node(layers.subspan(i))) firsts.push_back(i);

  int parameter = static_cast<int>(parameters_.size());
  Size3 out = sizes.back();
  for (auto first = firsts.rbegin(); first != firsts.rend(); ++first) {
    const Layer& layer = layers[*first];
    const bool fused = is_conv_relu_pool(layers.subspan(*first));
    const Size3 whole_in = *first == 0 ? model_.input() : sizes[*first - 1];
    const Size3 conv_out = {2 * out.height, 2 * out.width, out.channels};
    // The caller fills the whole of the network's input; every other array holds what is read of it.
    const Size3 in = *first == 0 ? whole_in : region_read(layer, fused ? conv_out : out, whole_in);
    const bool trained = has_parameters(layer.kind);
    if (trained) parameter -= 2;
    const bool relu_before = *first >= 2 && is_linear_relu_linear(layers.subspan(*first - 2));
    const bool relu_after = is_linear_relu_linear(layers.subspan(*first));
    nodes_.push_back(fused ? make_conv_relu_pool_node(layer, in, out, parameter)
                           : make_node(layer, in, out, trained ? parameter : -1,
                                       {.before = relu_before, .after = relu_after}));
    node_names_.push_back(trained ? layer.name : "layer " + std::to_string(*first));
    out = in;
  }
  std::reverse(nodes_.begin(), nodes_.end());
  std::reverse(node_names_.begin(), node_names_.end());
}

// A run of in-place nodes shares one activation, which lives from its first writer to its last reader.
void Graph::add_activations(ArenaPlan& plan, int batch, Offsets& offsets) const {
  const bool training = mode_ == GraphMode::training;
  const std::size_t count = nodes_.size();
  const Timeline time{count, has_wgrads_beside()};
  const auto bytes = [&](Size3 size) {
    return static_cast<std::size_t>(Index{batch} * size.count()) * sizeof(float);
  };
  for (std::size_t first = 0; first <= count;) {
    std::size_t last = first;
    while (last < count && nodes_[last]->in_place()) ++last;
    const Size3 size = first == 0 ? nodes_[0]->input() : nodes_[first - 1]->output();
    const std::size_t writer = first == 0 ? 0 : first - 1;  // of the input: its first reader
    const int read = training ? time.backward_read(writer) : time.forward(last);
    const std::size_t activation = plan.add(bytes(size), static_cast<int>(first) - 1, read);
    if (first == 0) {
      offsets.inputs.push_back(activation);
      if (has_two_inputs()) offsets.inputs.push_back(plan.add(bytes(size), -1, time.end()));
      offsets.of_input = last + 1;
    }
    // The gradient of the network's input is never asked for, but by nodes in place that come first.
    const bool wanted = training && last > 0;
    const std::size_t gradient = plan.add(wanted ? bytes(size) : 0, time.backward(last),
                                          wanted ? time.backward_read(writer) : time.backward(last));
    for (; first <= last; ++first) {
      offsets.activations.push_back(activation);
      offsets.activation_gradients.push_back(gradient);
    }
  }
}

// What the passes share that go on in the chain, and what those share that go on beside it.
void Graph::add_workspaces(ArenaPlan& plan, int batch, Offsets& offsets) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto reserve = [&](Pass pass, std::size_t& bytes) {
      bytes = std::max(bytes, nodes_[i]->workspace(context_, batch, pass));
    };
    reserve(Pass::forward, offsets.workspace_bytes);
    if (mode_ == GraphMode::inference) continue;
    if (i > 0) reserve(Pass::dgrad, offsets.workspace_bytes);
    reserve(Pass::wgrad, wgrad_is_beside(i) ? offsets.wgrad_workspace_bytes : offsets.workspace_bytes);
  }
  const int end = Timeline{nodes_.size(), has_wgrads_beside()}.end();
  offsets.workspace = plan.add(offsets.workspace_bytes, -1, end);
  offsets.wgrad_workspace = plan.add(offsets.wgrad_workspace_bytes, -1, end);
}

// What nodes save for their backward.
void Graph::add_saved(ArenaPlan& plan, int batch, Offsets& offsets) const {
  const bool training = mode_ == GraphMode::training;
  const Timeline time{nodes_.size(), has_wgrads_beside()};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto kept = static_cast<std::size_t>(batch * nodes_[i]->saved_bytes());
    offsets.saved.push_back(plan.add(training ? kept : 0, time.forward(i), time.backward_read(i)));
  }
}

Graph::Offsets Graph::plan(int batch) const {
  ArenaPlan plan;
  Offsets offsets;  // the arrays' numbers, until the plan has their offsets
  add_activations(plan, batch, offsets);
  add_workspaces(plan, batch, offsets);
  add_saved(plan, batch, offsets);
  plan.plan();
  const auto place = [&](std::size_t& array) { array = plan.offset(array); };
  std::ranges::for_each(offsets.inputs, place);
  std::ranges::for_each(offsets.activations, place);
  std::ranges::for_each(offsets.activation_gradients, place);
  std::ranges::for_each(offsets.saved, place);
  place(offsets.workspace);
  place(offsets.wgrad_workspace);
  offsets.bytes = plan.size();
  return offsets;
}

NodeArrays Graph::arrays(std::size_t i) {
  const bool training = mode_ == GraphMode::training;
  NodeArrays a;
  a.x = activation(i);
  a.y = activation(i + 1);
  if (training) {
    a.saved = at<std::uint8_t>(offsets_.saved[i]);
    a.dy = gradient(i + 1);
    a.dx = i > 0 ? gradient(i) : nullptr;
  }
  if (const int parameter = nodes_[i]->parameter(); parameter >= 0) {
    const Index weight = parameters_[static_cast<std::size_t>(parameter)].offset;
    const Index bias = parameters_[static_cast<std::size_t>(parameter) + 1].offset;
    a.w = parameter_values().data() + weight;
    a.bias = parameter_values().data() + bias;
    if (training) {
      a.dw = parameter_gradients().data() + weight;
      a.dbias = parameter_gradients().data() + bias;
    }
  }
  return a;
}

void Graph::choose_input(int i) {
  std::fill_n(offsets_.activations.begin(), offsets_.of_input, offsets_.inputs[static_cast<std::size_t>(i)]);
}

Status Graph::set_images(const Context& context, int batch, const std::uint8_t* images, int image_count,
                         const std::int32_t* places, const AugmentParams* augment) {
  if (batch == 0) return {};
  const Size3 in = model_.input();
  return gather_images(context, {batch, in.height, in.width, in.channels, image_count}, images, places,
                       augment, input());
}

Status Graph::forward(int batch) {
  if (batch == 0) return {};
  for (std::size_t i = 0; i < nodes_.size(); ++i) BAUTA_TRY(nodes_[i]->forward(context_, batch, arrays(i)));
  return {};
}

Status Graph::backward(const Shards& shards, const GradientsReady& ready) {
  const int batch = shards.batch();
  if (batch == 0) {  // a rank without samples adds nothing
    BAUTA_TRY(zero_on_device(context_, parameter_gradients().data(), parameter_gradients().size_bytes()));
  }
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const Node& node = *nodes_[i];
    const NodeArrays a = arrays(i);
    const bool has_parameters = node.parameter() >= 0;
    const Context& context = wgrad_is_beside(i) ? wgrad_context_ : context_;
    if (has_parameters && wgrad_is_beside(i))
      BAUTA_TRY(put_in_order(context_, gradient_written_, wgrad_context_));
    if (batch > 0 && i > 0) BAUTA_TRY(node.dgrad(context_, batch, a));
    if (batch > 0 && has_parameters) BAUTA_TRY(node.wgrad(context, shards, a));
    if (i == 0 && has_wgrads_beside()) BAUTA_TRY(put_in_order(wgrad_context_, wgrads_done_, context_));
    if (ready && has_parameters)
      ready(parameters_[static_cast<std::size_t>(node.parameter())].offset, context);
  }
  return {};
}

Result<bool> Graph::is_finite(const float* values, Index count) const {
  const auto copy = on_host(context_, std::span(values, static_cast<std::size_t>(count)));
  if (!copy.ok()) return copy.status();
  return std::all_of(copy->begin(), copy->end(), [](float value) { return std::isfinite(value); });
}

Result<std::string> Graph::first_non_finite(int batch) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (const int parameter = nodes_[i]->parameter(); parameter >= 0) {
      for (int half = 0; half < 2; ++half) {
        const Parameter& p = parameters_[static_cast<std::size_t>(Index{parameter} + half)];
        const auto finite = is_finite(parameter_values().data() + p.offset, p.size);
        if (!finite.ok()) return finite.status();
        if (!*finite) return p.name;
      }
    }
    const auto finite = is_finite(activation(i + 1), Index{batch} * nodes_[i]->output().count());
    if (!finite.ok()) return finite.status();
    if (!*finite) return "the output of " + node_names_[i];
  }
  return std::string();
}

}  // namespace bauta
