#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "apps/bauta/build_info.h"
#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/terminal.h"
#include "engine/core/host.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta info
      Devices, instruction sets, threads, what was built in, and the study's network layer by layer.
  bauta info --weights runs/a/best.safetensors
      The network and the classes of a file of weights.
  bauta info --json | jq .isa
  BAUTA_ISA=avx2 bauta info
      Any command computes with a narrower instruction set if BAUTA_ISA says so.)";

struct InfoArguments {
  std::string model;  // empty: the zoo's first
  std::string weights;
  bool json = false;
  DeviceOptions device;
};

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "CPU";
}

/// A line of the summary: a layer, or the block of layers whose names share what is before the dot.
struct SummaryRow {
  std::string name;
  std::string type;
  std::int64_t parameters = 0;
  std::string output;
  bool is_block = false;
};

std::string type_of(const Layer& layer, int in_channels) {
  switch (layer.kind) {
    case LayerKind::conv2d:
      return fmt::format("Conv2d {}->{}, {}x{}, stride {}, pad {}", in_channels, layer.out_channels,
                         layer.kernel, layer.kernel, layer.stride, layer.pad);
    case LayerKind::relu:
      return "ReLU";
    case LayerKind::maxpool:
      return fmt::format("MaxPool2d {}x{}, stride {}", layer.kernel, layer.kernel, layer.stride);
    case LayerKind::linear:
      return fmt::format("Linear {}->{}", in_channels, layer.out_channels);
  }
  return "";
}

std::string output_of(Size3 size) {
  if (size.height == 1 && size.width == 1) return std::to_string(size.channels);
  return fmt::format("{}x{}x{}", size.channels, size.height, size.width);
}

std::int64_t parameters_of_layer(const std::string& layer, std::span<const Parameter> parameters) {
  std::int64_t count = 0;
  for (const Parameter& p : parameters) {
    if (!layer.empty() && (p.name == layer + ".weight" || p.name == layer + ".bias")) count += p.size;
  }
  return count;
}

Result<std::vector<SummaryRow>> summary_of(const Model& model) {
  const auto sizes = model.output_sizes();
  if (!sizes.ok()) return sizes.status();
  const auto parameters = parameters_of(model);
  if (!parameters.ok()) return parameters.status();
  std::vector<SummaryRow> rows;
  std::size_t block = 0;
  Size3 in = model.input();
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const Layer& layer = model.layers()[i];
    const Size3 out = (*sizes)[i];
    // Layers without a name belong to the block of the last layer with one.
    const std::string name =
        layer.name.empty() && !rows.empty() ? rows[block].name : layer.name.substr(0, layer.name.find('.'));
    if (rows.empty() || rows[block].name != name) {
      block = rows.size();
      rows.push_back({name, "Sequential", 0, "", true});
    }
    const int in_channels = layer.kind == LayerKind::linear ? in.count() : in.channels;
    rows.push_back({layer.name, type_of(layer, in_channels), parameters_of_layer(layer.name, *parameters),
                    output_of(out), false});
    rows[block].parameters += rows.back().parameters;
    rows[block].output = rows.back().output;
    in = out;
  }
  rows.push_back({"crossEntropyLoss", "CrossEntropyLoss", 0, "1", true});
  return rows;
}

std::int64_t total_parameters(const std::vector<SummaryRow>& rows) {
  std::int64_t total = 0;
  for (const SummaryRow& row : rows) total += row.is_block ? row.parameters : 0;
  return total;
}

std::string summary_table(const std::vector<SummaryRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"name", "type", "params", "output"}};
  for (const SummaryRow& row : rows) {
    cells.push_back({(row.is_block ? "" : "  ") + row.name, (row.is_block ? "" : "  ") + row.type,
                     with_commas(row.parameters), row.output});
  }
  cells.push_back({"total", "", with_commas(total_parameters(rows)), ""});
  return table(cells, {1});
}

OrderedJson summary_json(const Model& model, const std::vector<SummaryRow>& rows) {
  OrderedJson layers = OrderedJson::array();
  for (const SummaryRow& row : rows) {
    if (row.is_block) continue;
    layers.push_back(
        {{"name", row.name}, {"type", row.type}, {"params", row.parameters}, {"output", row.output}});
  }
  OrderedJson blocks = OrderedJson::array();
  for (const SummaryRow& row : rows) {
    if (row.is_block)
      blocks.push_back({{"name", row.name}, {"params", row.parameters}, {"output", row.output}});
  }
  return {{"name", model.name()},       {"input", output_of(model.input())},
          {"classes", model.classes()}, {"blocks", blocks},
          {"layers", layers},           {"params", total_parameters(rows)}};
}

// Each GPU by its number, or why it cannot compute; or why there is none.
std::vector<Result<GpuInfo>> all_gpus() {
  const auto count = Gpu::count();
  if (!count.ok()) return {count.status()};
  std::vector<Result<GpuInfo>> found;
  for (int number = *count - 1; number >= 0; --number) {  // the first stays the one that computes
    const auto gpu = Gpu::open(number);
    found.insert(found.begin(), gpu.ok() ? Result<GpuInfo>(gpu->info()) : gpu.status());
  }
  return found;
}

OrderedJson devices_json(const std::vector<Result<GpuInfo>>& gpus) {
  OrderedJson devices = {{{"name", "cpu"}, {"model", cpu_name()}, {"cores", usable_cores()}}};
  for (std::size_t number = 0; number < gpus.size(); ++number) {
    if (const auto& gpu = gpus[number]; gpu.ok()) {
      devices.push_back({{"name", "cuda"},
                         {"number", number},
                         {"model", gpu->name},
                         {"capability", gpu->capability},
                         {"memory_bytes", gpu->memory}});
    }
  }
  return devices;
}

OrderedJson machine_json(const Machine& machine) {
  OrderedJson isas = OrderedJson::array();
  for (const Isa isa : available_isas()) isas.push_back(isa_name(isa));
  OrderedJson features = OrderedJson::object();
  for (const BuildPart& part : kBuildParts) features[part.name] = part.state;
  const auto gpus = all_gpus();
  const bool usable = std::ranges::any_of(gpus, [](const Result<GpuInfo>& gpu) { return gpu.ok(); });
  return {{"version", kVersion},
          {"devices", devices_json(gpus)},
          {"no_cuda", usable ? OrderedJson() : OrderedJson(gpus.front().status().what())},
          {"isa", isa_name(machine.context().isa)},
          {"isas", isas},
          {"precision", precision_name(machine.context().precision)},
          {"threads", machine.threads()},
          {"ranks", 1},
          {"compiler", kCompiler},
          {"build_type", kBuildType},
          {"features", features}};
}

void print_machine(const Machine& machine) {
  std::string isas;
  for (const Isa isa : available_isas()) isas += std::string(isas.empty() ? "" : ", ") + isa_name(isa);
  std::vector<std::vector<std::string>> rows = {
      {"version", kVersion},
      {"runs on", machine.description()},
      {"device cpu", fmt::format("{}, {} cores usable", cpu_name(), usable_cores())},
  };
  const auto gpus = all_gpus();
  for (std::size_t number = 0; number < gpus.size(); ++number) {
    const auto& gpu = gpus[number];
    rows.push_back({gpus.size() == 1 ? "device cuda" : fmt::format("device cuda, number {}", number),
                    gpu.ok() ? gpu_words(*gpu) : gpu.status().what()});
  }
  rows.push_back({"ISAs", fmt::format("{}; {} is used", isas, isa_name(machine.context().isa))});
  rows.push_back({"built by", fmt::format("{}, {}", kCompiler, kBuildType)});
  for (const BuildPart& part : kBuildParts) {
    rows.push_back({part.name, fmt::format("{}: {}", part.what, part.state)});
  }
  print_text(table(rows, {1}));
}

Result<Model> model_of(const InfoArguments& arguments) {
  if (arguments.weights.empty())
    return zoo_model(arguments.model.empty() ? zoo_names().front() : arguments.model);
  auto weights = open_weights_noted(arguments.weights, arguments.json);
  if (!weights.ok()) return weights.status();
  return std::move(weights->model);
}

Result<int> run_info(const InfoArguments& arguments) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  const auto model = model_of(arguments);
  if (!model.ok()) return model.status();
  const auto rows = summary_of(*model);
  if (!rows.ok()) return rows.status();
  if (arguments.json) {
    OrderedJson json = machine_json(*machine);
    json["model"] = summary_json(*model, *rows);
    print_json(json);
    return 0;
  }
  print_machine(*machine);
  print_text("\n");
  print_note(fmt::format("model {}: input {}, classes {}", model->name(), output_of(model->input()),
                         fmt::join(model->classes(), ", ")));
  print_text("\n" + summary_table(*rows));
  return 0;
}

}  // namespace

Command info_command(CLI::App& app) {
  CLI::App* info =
      app.add_subcommand("info", "Says what there is: devices, instruction sets, parts, networks");
  info->footer(kExamples);
  auto arguments = std::make_shared<InfoArguments>();
  CLI::Option* model = info->add_option("--model", arguments->model, "a network of the zoo (default: study)")
                           ->type_name("NAME");
  info->add_option("--weights", arguments->weights, "the network of this file")
      ->type_name("FILE")
      ->excludes(model);
  add_switch(*info, "--json", arguments->json, "one object of JSON on stdout");
  add_device_options(*info, arguments->device);
  return {info, [arguments] { return run_info(*arguments); }, /*takes_ranks=*/true};
}

}  // namespace bauta
