#include <algorithm>
#include <iterator>
#include <limits>

#include "engine/io/json.h"
#include "layers/model.h"

namespace bauta {
namespace {

const char* kind_name(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return "conv2d";
    case LayerKind::relu:
      return "relu";
    case LayerKind::maxpool:
      return "maxpool";
    case LayerKind::linear:
      return "linear";
  }
  return "";
}

Json layer_to_json(const Layer& layer) {
  Json::Object json = {{"kind", kind_name(layer.kind)}};
  if (!layer.name.empty()) json.emplace_back("name", layer.name);
  const auto add = [&](const char* key, int value) { json.emplace_back(key, value); };
  switch (layer.kind) {
    case LayerKind::relu:
      break;
    case LayerKind::linear:
      add("out", layer.out_channels);
      break;
    case LayerKind::conv2d:
      add("out", layer.out_channels);
      add("kernel", layer.kernel);
      add("stride", layer.stride);
      add("pad", layer.pad);
      break;
    case LayerKind::maxpool:
      add("kernel", layer.kernel);
      add("stride", layer.stride);
      break;
  }
  return json;
}

// An int, or -1 where there is none; what it may be is for Model::output_sizes to say.
int int_of(const Json* json) {
  const std::int64_t* value = json == nullptr ? nullptr : json->integer();
  const bool fits = value != nullptr && *value >= 0 && *value <= std::numeric_limits<int>::max();
  return fits ? static_cast<int>(*value) : -1;
}
int int_at(const Json& json, const char* key) { return int_of(json.find(key)); }

std::string string_at(const Json& json, const char* key) {
  const Json* member = json.find(key);
  const std::string* value = member == nullptr ? nullptr : member->string();
  return value == nullptr ? std::string() : *value;
}

// Adds the layer that `json` describes; false where it names no kind that there is.
bool add_layer(const Json& json, Model& model) {
  const auto kind = std::ranges::find(kLayerKinds, string_at(json, "kind"), kind_name);
  if (kind == std::end(kLayerKinds)) return false;
  const auto number = [&](const char* key) { return int_at(json, key); };
  switch (*kind) {
    case LayerKind::conv2d:
      model.conv2d(string_at(json, "name"), number("out"), number("kernel"), number("stride"), number("pad"));
      break;
    case LayerKind::relu:
      model.relu();
      break;
    case LayerKind::maxpool:
      model.maxpool(number("kernel"), number("stride"));
      break;
    case LayerKind::linear:
      model.linear(string_at(json, "name"), number("out"));
      break;
  }
  return true;
}

}  // namespace

std::string graph_to_json(const Model& model) {
  const Size3 in = model.input();
  Json::Array layers;
  for (const Layer& layer : model.layers()) layers.push_back(layer_to_json(layer));
  return Json(Json::Object{{"input", Json::Array{in.height, in.width, in.channels}},
                           {"layers", std::move(layers)}})
      .dump();
}

Result<Model> model_from_json(const std::string& name, const std::string& graph_json,
                              std::vector<std::string> classes) {
  const auto json = parse_json(graph_json, "graph");
  if (!json.ok()) return Status::error("the graph is not JSON", {}, "use a file that bauta wrote");
  const Json* input = json->find("input");
  const Json* layers = json->find("layers");
  if (input == nullptr || input->array() == nullptr || input->array()->size() != 3 || layers == nullptr ||
      layers->array() == nullptr) {
    return Status::error("the graph lacks its input or its layers", {}, "use a file that bauta wrote");
  }
  const Json::Array& sizes = *input->array();
  Model model(name, {int_of(&sizes[0]), int_of(&sizes[1]), int_of(&sizes[2])}, std::move(classes));
  for (const Json& layer : *layers->array()) {
    if (!add_layer(layer, model)) {
      return Status::error("the graph has a layer of the unknown kind '" + string_at(layer, "kind") + "'", {},
                           "use the version of bauta that wrote the file");
    }
  }
  const auto checked = model.output_sizes();
  if (!checked.ok()) return checked.status();
  return model;
}

}  // namespace bauta
