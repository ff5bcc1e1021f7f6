#include "layers/parameters.h"

#include <cmath>

#include "engine/core/rng.h"

namespace bauta {
namespace {

constexpr Index kAlignment = 16;  // floats: one cache line

Parameter conv_weight(const Layer& layer, Size3 in) {
  const std::int64_t kernel = layer.kernel;
  const std::int64_t area = kernel * kernel;
  Parameter p;
  p.name = layer.name + ".weight";
  p.shape = p.axes = {layer.out_channels, in.channels, kernel, kernel};
  p.order = {2, 3, 1, 0};
  p.fan_in = in.channels * area;
  p.fan_out = layer.out_channels * area;
  return p;
}

Parameter linear_weight(const Layer& layer, Size3 in) {
  Parameter p;
  p.name = layer.name + ".weight";
  p.shape = {layer.out_channels, in.count()};
  p.axes = {layer.out_channels, in.channels, in.height, in.width};
  p.order = {0, 2, 3, 1};
  p.fan_in = in.count();
  p.fan_out = layer.out_channels;
  return p;
}

Parameter bias_of(const Layer& layer, const Parameter& weight) {
  Parameter p;
  p.name = layer.name + ".bias";
  p.shape = p.axes = {layer.out_channels};
  p.order = {0};
  p.is_bias = true;
  p.fan_in = weight.fan_in;
  p.fan_out = weight.fan_out;
  return p;
}

Index product(const std::vector<std::int64_t>& sizes) {
  Index count = 1;
  for (std::int64_t size : sizes) count *= size;
  return count;
}

// For each float of memory in turn, calls visit(index in memory, index in the file).
template <class Visit>
void for_each_float(const Parameter& p, const Visit& visit) {
  const std::size_t rank = p.axes.size();
  std::vector<Index> file_stride(rank, 1);
  for (std::size_t axis = rank - 1; axis > 0; --axis)
    file_stride[axis - 1] = file_stride[axis] * p.axes[axis];
  std::vector<std::int64_t> at(rank, 0);  // by memory's axes
  for (Index i = 0; i < p.size; ++i) {
    Index file = 0;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      file += at[axis] * file_stride[static_cast<std::size_t>(p.order[axis])];
    }
    visit(static_cast<std::size_t>(i), static_cast<std::size_t>(file));
    for (std::size_t axis = rank; axis-- > 0;) {
      if (++at[axis] < p.axes[static_cast<std::size_t>(p.order[axis])]) break;
      at[axis] = 0;
    }
  }
}

}  // namespace

Result<std::vector<Parameter>> parameters_of(const Model& model) {
  const auto sizes = model.output_sizes();
  if (!sizes.ok()) return sizes.status();
  std::vector<Parameter> parameters;
  Size3 in = model.input();
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const Layer& layer = model.layers()[i];
    if (has_parameters(layer.kind)) {
      parameters.push_back(layer.kind == LayerKind::conv2d ? conv_weight(layer, in)
                                                           : linear_weight(layer, in));
      parameters.push_back(bias_of(layer, parameters.back()));
    }
    in = (*sizes)[i];
  }
  Index offset = 0;
  for (Parameter& p : parameters) {
    p.size = product(p.shape);
    p.offset = offset;
    offset += (p.size + kAlignment - 1) / kAlignment * kAlignment;
  }
  return parameters;
}

Index parameters_size(std::span<const Parameter> parameters) {
  if (parameters.empty()) return 0;
  const Parameter& last = parameters.back();
  return last.offset + (last.size + kAlignment - 1) / kAlignment * kAlignment;
}

void to_file_order(const Parameter& p, std::span<const float> memory, std::span<float> file) {
  for_each_float(p, [&](std::size_t in_memory, std::size_t in_file) { file[in_file] = memory[in_memory]; });
}

void from_file_order(const Parameter& p, std::span<const float> file, std::span<float> memory) {
  for_each_float(p, [&](std::size_t in_memory, std::size_t in_file) { memory[in_memory] = file[in_file]; });
}

void initialize(std::span<const Parameter> parameters, std::uint64_t seed, std::span<float> memory) {
  std::vector<float> file;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    const double fans =
        p.is_bias ? static_cast<double>(p.fan_in) : static_cast<double>(p.fan_in + p.fan_out) / 6;
    const float bound = static_cast<float>(1 / std::sqrt(fans));
    Rng rng(seed, RngStream::init, i);
    file.resize(static_cast<std::size_t>(p.size));
    for (float& value : file) value = rng.uniform(-bound, bound);
    from_file_order(p, file, memory.subspan(static_cast<std::size_t>(p.offset), file.size()));
  }
}

}  // namespace bauta
