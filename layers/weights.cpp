#include "layers/weights.h"

#include <algorithm>
#include <cstring>

#include "engine/io/json.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

// The one preprocessing that there is; see engine/io/preprocess.h.
constexpr const char* kPreprocessing = "rgb, pillow-bilinear, bytes / 255";

bool is_passed_over(const std::string& name) {
  return name == "crossEntropyLoss.weight" || name.starts_with("optimizer.");
}

// The file's tensor `name`, which has to be fp32 of this shape.
Status check_tensor(const Safetensors& file, const std::string& name, std::span<const std::int64_t> shape,
                    const std::string& fix) {
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr && file.find("module." + name) != nullptr) {
    return Status::error("tensor " + name + " is called module." + name, file.path(),
                         "save the state dict of the model within DataParallel, model.module");
  }
  if (tensor == nullptr) return Status::error("tensor " + name + " is missing", file.path(), fix);
  if (tensor->dtype != DType::f32) {
    return Status::error("tensor " + name + " is " + std::string(dtype_name(tensor->dtype)) + ", not F32",
                         file.path(), "save it as 32-bit floats");
  }
  if (!std::ranges::equal(tensor->shape, shape)) {
    return Status::error(
        "tensor " + name + " has the shape " + shape_text(tensor->shape) + ", not " + shape_text(shape),
        file.path(), fix);
  }
  return {};
}

Result<std::vector<std::string>> classes_from_json(const std::string& text) {
  const auto json = parse_json(text, "classes");
  if (!json.ok()) return Status::error("the classes are not JSON", {}, "use a file that bauta wrote");
  auto classes = json->strings();
  if (!classes) return Status::error("the classes are no list of names", {}, "use a file that bauta wrote");
  return std::move(*classes);
}

Result<Model> model_of(const Safetensors& file) {
  const std::string* graph = file.metadata("graph");
  if (graph == nullptr) return zoo_model(zoo_names().front());
  const std::string* name = file.metadata("model");
  const std::string* classes_json = file.metadata("classes");
  const std::string* preprocessing = file.metadata("preprocessing");
  if (name == nullptr || classes_json == nullptr || preprocessing == nullptr) {
    return Status::error("the metadata have a graph, but no model, classes or preprocessing", file.path(),
                         "use a file that bauta wrote, or a plain PyTorch state dict of the study's network");
  }
  if (*preprocessing != kPreprocessing) {
    return Status::error("these weights want the preprocessing '" + *preprocessing +
                             "', and this version knows '" + kPreprocessing + "'",
                         file.path(), "use the version of bauta that wrote the file");
  }
  const auto classes = classes_from_json(*classes_json);
  if (!classes.ok()) return classes.status().in(file.path());
  auto model = model_from_json(*name, *graph, *classes);
  if (!model.ok()) return model.status().in(file.path());
  return model;
}

}  // namespace

Status check_parameters(const Safetensors& file, std::span<const Parameter> parameters,
                        const std::string& model) {
  const std::string fix =
      "these are not weights of the model '" + model + "', give a file of that model's weights";
  for (const Parameter& p : parameters) BAUTA_TRY(check_tensor(file, p.name, p.shape, fix));
  for (const TensorView& tensor : file.tensors()) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&](const Parameter& p) { return p.name == tensor.name; });
    if (!known && !is_passed_over(tensor.name)) {
      return Status::error("tensor " + tensor.name + " belongs to no layer", file.path(), fix);
    }
  }
  return {};
}

Result<WeightFile> open_weights(const std::string& path) {
  auto file = Safetensors::open(path);
  if (!file.ok()) return file.status();
  auto model = model_of(*file);
  if (!model.ok()) return model.status();
  const auto parameters = parameters_of(*model);
  if (!parameters.ok()) return parameters.status().in(path);
  BAUTA_TRY(check_parameters(*file, *parameters, model->name()));
  const bool has_metadata = file->metadata("graph") != nullptr;
  return WeightFile{std::move(*model), std::move(*file), has_metadata};
}

Status load_parameters(const Safetensors& file, const std::string& prefix,
                       std::span<const Parameter> parameters, std::span<float> memory) {
  std::vector<float> values;
  for (const Parameter& p : parameters) {
    const std::string name = prefix + p.name;
    BAUTA_TRY(check_tensor(file, name, p.shape, "use a file that bauta wrote for this model"));
    const std::span<const std::byte> bytes = file.find(name)->bytes;
    const auto count = static_cast<std::size_t>(p.size);
    values.resize(count);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    from_file_order(p, values, memory.subspan(static_cast<std::size_t>(p.offset), count));
  }
  return {};
}

void ParameterTensors::add(const std::string& prefix, std::span<const Parameter> parameters,
                           std::span<const float> memory) {
  for (const Parameter& p : parameters) {
    const auto count = static_cast<std::size_t>(p.size);
    std::vector<float>& values = storage_.emplace_back(count);
    to_file_order(p, memory.subspan(static_cast<std::size_t>(p.offset), count), values);
    views_.push_back({prefix + p.name, DType::f32, p.shape, std::as_bytes(std::span(values))});
  }
}

Metadata model_metadata(const Model& model) {
  return {{"format", "pt"},
          {"model", model.name()},
          {"graph", graph_to_json(model)},
          {"classes", Json::of_strings(model.classes()).dump()},
          {"preprocessing", kPreprocessing}};
}

}  // namespace bauta
