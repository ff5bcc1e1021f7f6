#include "layers/zoo.h"

#include <array>
#include <utility>

namespace bauta {
namespace {

constexpr std::array kNames = {"study"};

// The published face-mask network. Its third block pools 9x9 to 4x4, so the last row and column are never
// read.
Model study(std::vector<std::string> classes) {
  const auto outputs = static_cast<int>(classes.size());
  Model model("study", {100, 100, 3}, std::move(classes));
  model.conv2d("convLayer1.0", 32, 3, 1, 1).relu().maxpool(2);
  model.conv2d("convLayer2.0", 64, 3, 1, 1).relu().maxpool(2);
  model.conv2d("convLayer3.0", 128, 3, 3, 1).relu().maxpool(2);
  model.linear("linearLayers.0", 1024).relu().linear("linearLayers.2", outputs);
  return model;
}

}  // namespace

std::span<const char* const> zoo_names() { return kNames; }

Result<Model> zoo_model(const std::string& name, std::vector<std::string> classes) {
  if (name == "study") return study(std::move(classes));
  return Status::usage("there is no model '" + name + "'", "--model", "choose one of: study");
}

}  // namespace bauta
