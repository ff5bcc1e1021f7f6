#include "optim/checkpoint.h"

#include <nlohmann/json.hpp>

namespace bauta {
namespace {

using nlohmann::json;

// Doubles pass through JSON unchanged: they are written with as many digits as they need.
std::string to_json(const TrainingState& s) {
  return json{{"step", s.step},
              {"epoch", s.epoch},
              {"batch", s.batch},
              {"epoch_loss_sum", s.epoch_loss.sum},
              {"epoch_loss_weight", s.epoch_loss.weight},
              {"best_val_acc", s.best_val_acc},
              {"best_epoch", s.best_epoch},
              {"ended_early", s.ended_early},
              {"seconds", s.seconds},
              {"metrics_bytes", s.metrics_bytes},
              {"events_bytes", s.events_bytes}}
      .dump();
}

bool from_json(const std::string& text, TrainingState& s) {
  const json j = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!j.is_object()) return false;
  try {
    j.at("step").get_to(s.step);
    j.at("epoch").get_to(s.epoch);
    j.at("batch").get_to(s.batch);
    j.at("epoch_loss_sum").get_to(s.epoch_loss.sum);
    j.at("epoch_loss_weight").get_to(s.epoch_loss.weight);
    j.at("best_val_acc").get_to(s.best_val_acc);
    j.at("best_epoch").get_to(s.best_epoch);
    j.at("ended_early").get_to(s.ended_early);
    j.at("seconds").get_to(s.seconds);
    j.at("metrics_bytes").get_to(s.metrics_bytes);
    j.at("events_bytes").get_to(s.events_bytes);
  } catch (const json::exception&) {
    return false;
  }
  return s.step >= 0 && s.epoch >= 0 && s.batch >= 0;
}

std::string state_prefix(const Optimizer::State& state) {
  return std::string("optimizer.") + state.name + ".";
}

Status add_from_device(ParameterTensors& tensors, const std::string& prefix, const Graph& graph,
                       std::span<const float> on_device) {
  const auto values = on_host(graph.context(), on_device);
  if (!values.ok()) return values.status();
  tensors.add(prefix, graph.parameters(), *values);
  return {};
}

}  // namespace

Status save_checkpoint(const std::string& path, TrainingStep& step, const TrainingState& state,
                       const std::string& config_json) {
  const Graph& graph = step.graph();
  ParameterTensors tensors;
  BAUTA_TRY(add_from_device(tensors, "", graph, graph.parameter_values()));
  for (const Optimizer::State& s : step.optimizer().states()) {
    BAUTA_TRY(add_from_device(tensors, state_prefix(s), graph, s.values));
  }
  Metadata metadata = model_metadata(graph.model());
  metadata.emplace_back("config", config_json);
  metadata.emplace_back("state", to_json(state));
  return write_safetensors(path, tensors.views(), metadata);
}

Result<Checkpoint> open_checkpoint(const std::string& path) {
  auto file = Safetensors::open(path);
  if (!file.ok()) return file.status();
  const std::string* config = file->metadata("config");
  const std::string* state_json = file->metadata("state");
  TrainingState state;
  if (config == nullptr || state_json == nullptr || !from_json(*state_json, state)) {
    return Status::error("this is no checkpoint of a run", path,
                         "resume from a folder that `bauta train` wrote");
  }
  std::string config_json = *config;
  return Checkpoint{std::move(*file), state, std::move(config_json)};
}

Status restore(const Checkpoint& checkpoint, TrainingStep& step) {
  Graph& graph = step.graph();
  const auto load = [&](const std::string& prefix, std::span<float> on_device) -> Status {
    std::vector<float> values(on_device.size());
    BAUTA_TRY(load_parameters(checkpoint.file, prefix, graph.parameters(), values));
    return copy_to_device<float>(graph.context(), values, on_device);
  };
  BAUTA_TRY(load("", graph.parameter_values()));
  for (const Optimizer::State& s : step.optimizer().states()) BAUTA_TRY(load(state_prefix(s), s.values));
  return {};
}

Status save_weights(const std::string& path, const Graph& graph, const Metadata& extra) {
  ParameterTensors tensors;
  BAUTA_TRY(add_from_device(tensors, "", graph, graph.parameter_values()));
  Metadata metadata = model_metadata(graph.model());
  metadata.insert(metadata.end(), extra.begin(), extra.end());
  return write_safetensors(path, tensors.views(), metadata);
}

}  // namespace bauta
