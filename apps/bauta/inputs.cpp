#include "apps/bauta/inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "apps/bauta/terminal.h"
#include "engine/data/sources.h"

namespace bauta {
namespace {

constexpr std::size_t kLittleMemory = std::size_t{256} << 20;
constexpr double kSilentSeconds = 2;  // before the opening of a data set shows its progress

}  // namespace

OpenOptions open_options(const Machine& machine, ImageSize size, bool strict) {
  OpenOptions options;
  options.size = size;
  options.threads = machine.threads();
  options.strict = strict;
  options.warn = print_warning;
  const auto bar = std::make_shared<std::optional<Progress>>();
  options.progress = [bar](int done, int total) {
    if (!bar->has_value()) bar->emplace("reading images", total, 0, kSilentSeconds);
    (*bar)->update(done);
  };
  return options;
}

std::string bare_weights_note(const std::string& path, const Model& model) {
  return fmt::format(
      "{} has no metadata: taken for a PyTorch state dict of the {} network, classes {}, images RGB {}x{}, "
      "bilinear, bytes/255",
      path, model.name(), fmt::join(model.classes(), " and "), model.input().height, model.input().width);
}

Result<WeightFile> open_weights_noted(const std::string& path, bool keep_stdout) {
  std::error_code unused;
  if (std::filesystem::is_directory(path, unused)) {
    return Status::usage("this is a folder, and not a file of weights", path,
                         "name one, such as the best.safetensors of a run");
  }
  auto weights = open_weights(path);
  if (weights.ok() && !weights->has_metadata)
    print_note(bare_weights_note(path, weights->model), keep_stdout);
  return weights;
}

Status check_finite(const Predictions& predictions, const std::string& path) {
  if (std::ranges::none_of(predictions.probabilities, [](float p) { return std::isnan(p); })) return {};
  return Status::error("these weights give NaN", path, "use a checkpoint from before they did");
}

// A description of a few bytes may claim large arrays: of these one sample's are believed, and of more
// samples what is little.
Result<Graph> trained_graph(const Context& context, const WeightFile& weights, int max_batch) {
  BAUTA_TRY(check_image_size(image_size(weights.model)));
  const auto needed = [&](int batch) {
    const auto bytes = Graph::memory_needed(context, weights.model, batch, GraphMode::inference);
    return bytes.ok() ? *bytes : 0;  // creating it tells what is wrong
  };
  const int batch = std::max(1, largest_batch(kLittleMemory, max_batch, needed));
  auto graph = Graph::create(context, weights.model, batch, GraphMode::inference);
  if (!graph.ok()) return graph.status();
  std::vector<float> values(graph->parameter_values().size());
  BAUTA_TRY(load_parameters(weights.file, "", graph->parameters(), values));
  BAUTA_TRY(copy_to_device<float>(context, values, graph->parameter_values()));
  return graph;
}

}  // namespace bauta
