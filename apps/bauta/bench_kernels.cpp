#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "apps/bauta/bench_step.h"
#include "apps/bauta/command.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/terminal.h"
#include "kernels/simt/log.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta bench kernels
      What each CUDA kernel of one training step of the study's network asks of memory, counted under simt.
  bauta bench kernels --batch 1 --gpu a100
      One image, which takes a second instead of half a minute; microseconds of another GPU.
  bauta bench kernels --precision bf16
      The kernels that use tensor cores; mma counts their products of 16x8 with 16.
  bauta bench kernels --json | jq '.[] | select(.moved > 1.1 * .said)'

A row is a launch. asked: bytes that its threads ask of global memory. moved: bytes in the 32-byte sectors that its warps'
accesses touch. said: the same by the kernel's own formula. floor: every input once, every output once. banks: passes over
the banks of shared memory per pass that would do. us is no measurement, but what follows for the GPU that --gpu names: the
floor from its memory and the rest of what is moved from its second-level cache, or the multiply-adds, whichever takes
longer. Where a kernel says nothing of itself there is a dash.)";

/// What a GPU can do at most.
struct GpuPeak {
  const char* name;
  double memory;         ///< B/s, of the data sheet
  double cache;          ///< B/s of the second-level cache
  double multiply_adds;  ///< fp32, per second: half the data sheet's FLOP/s
  double tensor;         ///< the same in bf16 on tensor cores, dense
};

// Caches: A100, 5120 bytes a clock at 1.41 GHz (NVIDIA's A100 whitepaper); H100, as Chips and Cheese measured
// a PCIe card.
constexpr std::array kPeaks = {
    GpuPeak{"h100", 3.35e12, 5.5e12, 33.5e12, 495e12},   // SXM5
    GpuPeak{"a100", 2.039e12, 7.2e12, 9.75e12, 156e12},  // SXM4, 80 GB
};

struct KernelsArguments {
  int batch = 32;
  const GpuPeak* gpu = kPeaks.data();
  bool json = false;
  DeviceOptions device{"simt"};
};

double microseconds(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  const double again = std::max(0.0, launch.moved_bytes() - launch.work.floor);
  const double memory = launch.work.floor / gpu.memory + again / gpu.cache;
  const double per_second = launch.mma > 0 ? gpu.tensor : gpu.multiply_adds;
  return 1e6 * std::max(memory, launch.work.multiply_adds / per_second);
}

double asked_bytes(const simt::LaunchCounts& launch) {
  double bytes = 0;
  for (const simt::SiteCount& site : launch.sites) {
    if (site.space == simt::Space::global) bytes += static_cast<double>(site.bytes);
  }
  return bytes;
}

std::string size_text(const simt::dim3& size) { return fmt::format("{}x{}x{}", size.x, size.y, size.z); }

Json launch_json(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  Json json = {{"kernel", launch.kernel},
               {"grid", size_text(launch.grid)},
               {"block", size_text(launch.block)},
               {"asked", asked_bytes(launch)},
               {"moved", launch.moved_bytes()},
               {"bank_conflict_degree", launch.bank_conflict_degree()},
               {"mma", launch.mma},
               {"barriers", launch.barriers}};
  if (launch.work.moved > 0) {
    json["said"] = launch.work.moved;
    json["floor"] = launch.work.floor;
    json["multiply_adds"] = launch.work.multiply_adds;
    json["microseconds"] = microseconds(launch, gpu);
  }
  return json;
}

std::vector<std::string> launch_row(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  const auto megabytes = [](double bytes) { return fmt::format("{:.3f}", bytes / 1e6); };
  const auto if_said = [&](std::string text) { return launch.work.moved > 0 ? std::move(text) : "-"; };
  return {launch.kernel,
          size_text(launch.grid),
          size_text(launch.block),
          megabytes(asked_bytes(launch)),
          megabytes(launch.moved_bytes()),
          if_said(megabytes(launch.work.moved)),
          if_said(megabytes(launch.work.floor)),
          fmt::format("{:.2f}", launch.bank_conflict_degree()),
          std::to_string(launch.mma),
          std::to_string(launch.barriers),
          if_said(fmt::format("{:.2f}", microseconds(launch, gpu)))};
}

Result<int> run_kernels(const KernelsArguments& arguments) {
  if (arguments.device.device != "simt") {
    return Status::usage("kernels are counted under simt alone", "--device " + arguments.device.device,
                         "use --device simt");
  }
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  print_note(machine->description(), arguments.json);
  const auto model = zoo_model(zoo_names().front());
  if (!model.ok()) return model.status();
  simt::Log log;
  Context context = machine->context();
  context.simt_log = &log;
  auto step = make_bench_step(context, *model, arguments.batch);
  if (!step.ok()) return step.status();
  const auto data = RandomBatch::create(context, *model, arguments.batch);
  if (!data.ok()) return data.status();
  if (const auto loss = step->run(data->step_batch(), 1, 1e-5F); !loss.ok()) return loss.status();

  if (arguments.json) {
    Json rows = Json::array();
    for (const auto& launch : log.launches) rows.push_back(launch_json(launch, *arguments.gpu));
    print_json(rows);
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"kernel", "grid", "block", "asked MB", "moved MB", "said MB",
                                                 "floor MB", "banks", "mma", "barriers",
                                                 fmt::format("us on {}", arguments.gpu->name)}};
  for (const auto& launch : log.launches) rows.push_back(launch_row(launch, *arguments.gpu));
  fmt::print("one training step of the {} network, batch {}\n{}", model->name(), arguments.batch,
             table(rows));
  return 0;
}

}  // namespace

Command bench_kernels_command(CLI::App& bench) {
  CLI::App* kernels = bench.add_subcommand("kernels", "Counts what the CUDA kernels ask of memory");
  kernels->footer(kExamples);
  auto arguments = std::make_shared<KernelsArguments>();
  kernels->add_option("--batch", arguments->batch, "images of the step")
      ->check(CLI::Range(1, 65536))
      ->type_name("N")
      ->capture_default_str();
  std::vector<std::pair<std::string, const GpuPeak*>> gpus;
  for (const GpuPeak& gpu : kPeaks) gpus.emplace_back(gpu.name, &gpu);
  add_choice(*kernels, "--gpu", arguments->gpu, gpus, "the GPU that times are worked out for");
  kernels->add_flag("--json", arguments->json, "an array of JSON on stdout");
  add_device_options(*kernels, arguments->device);
  return {kernels, [arguments] { return run_kernels(*arguments); }};
}

}  // namespace bauta
