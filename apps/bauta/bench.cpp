#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "apps/bauta/bench_step.h"
#include "apps/bauta/command.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/terminal.h"
#include "kernels/peak/peak.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta bench train
      How fast this machine trains the study's network: batches of 32, all cores that may be used.
  bauta bench train --threads 1 --json | jq .images_per_second
  BAUTA_ISA=avx2 bauta bench train
      The same with a narrower instruction set.

A step is forward, loss, backward and Adam, on random images that lie in memory. gflops counts the arithmetic of the
dense network (forward, weight and data gradients of every layer, no data gradient for the first: 359 MFLOP per image),
whether or not it had to be done: outputs that nobody reads are skipped, and on a CPU products with zeros. There
fraction_of_peak sets it against the multiply-add peak that was measured just before, on the same threads.)";

constexpr int kRounds = 11;
constexpr double kSecondsPerRound = 0.5;

struct BenchArguments {
  int batch = 32;
  bool json = false;
  DeviceOptions device;
};

/// Multiplications and additions of one image's training step when every layer is computed densely: forward,
/// weight gradient and data gradient cost the same, and the first layer has no data gradient.
Result<double> dense_flop(const Model& model) {
  const auto sizes = model.output_sizes();
  if (!sizes.ok()) return sizes.status();
  double flop = 0;
  Size3 in = model.input();
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const Layer& layer = model.layers()[i];
    const Size3 out = (*sizes)[i];
    double products = 0;
    if (layer.kind == LayerKind::conv2d)
      products = double{1} * out.count() * layer.kernel * layer.kernel * in.channels;
    if (layer.kind == LayerKind::linear) products = double{1} * out.count() * in.count();
    flop += 2 * products * (i == 0 ? 2 : 3);
    in = out;
  }
  return flop;
}

/// Seconds per step of every round, in ascending order.
Result<std::vector<double>> time_rounds(StepBench& bench) {
  const auto warm_up = bench.warm_up();
  if (!warm_up.ok()) return warm_up.status();
  const int steps = std::max(1, static_cast<int>(kSecondsPerRound / *warm_up));
  std::vector<double> seconds;
  Progress bar("bench", kRounds);
  for (int round = 0; round < kRounds; ++round) {
    const auto per_step = bench.round(steps);
    if (!per_step.ok()) return per_step.status();
    seconds.push_back(*per_step);
    bar.update(round + 1);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

/// How fast a network trains.
struct Speed {
  std::string model;
  int batch;
  double flop;                    ///< of an image, densely
  std::optional<double> peak{};   ///< multiply-adds, GFLOP/s; a GPU's is not known here
  std::vector<double> seconds{};  ///< per step, of every round, in ascending order

  double median() const { return seconds[seconds.size() / 2]; }
  double gflops() const { return flop * batch / median() / 1e9; }
  double images_per_second(double per_step) const { return batch / per_step; }
};

Result<Speed> measure(const Machine& machine, int batch) {
  const auto model = zoo_model(zoo_names().front());
  if (!model.ok()) return model.status();
  const auto flop = dense_flop(*model);
  if (!flop.ok()) return flop.status();
  auto bench = StepBench::create(machine.context(), *model, batch);
  if (!bench.ok()) return bench.status();
  Speed speed{model->name(), batch, *flop};
  if (machine.context().backend == Backend::cpu) speed.peak = measure_fma_peak(machine.context()) / 1e9;
  BAUTA_TRY(put_into(speed.seconds, time_rounds(*bench)));
  return speed;
}

OrderedJson as_json(const Speed& speed, const Machine& machine, const BenchArguments& arguments) {
  OrderedJson json = {{"model", speed.model},
                      {"batch", speed.batch},
                      {"device", machine.description()},
                      {"kernels", kernels_name(arguments.device.kernels)},
                      {"precision", precision_name(machine.context().precision)},
                      {"threads", machine.threads()},
                      {"isa", isa_name(machine.context().isa)},
                      {"rounds", kRounds},
                      {"images_per_second", speed.images_per_second(speed.median())},
                      {"images_per_second_min", speed.images_per_second(speed.seconds.back())},
                      {"images_per_second_max", speed.images_per_second(speed.seconds.front())},
                      {"ms_per_step", speed.median() * 1e3},
                      {"ms_per_step_min", speed.seconds.front() * 1e3},
                      {"ms_per_step_max", speed.seconds.back() * 1e3},
                      {"dense_mflop_per_image", speed.flop / 1e6},
                      {"gflops", speed.gflops()}};
  if (speed.peak) {
    json["peak_gflops"] = *speed.peak;
    json["fraction_of_peak"] = speed.gflops() / *speed.peak;
  }
  return json;
}

void print_speed(const Speed& speed) {
  print_text(fmt::format("training the {} network, batch {}: median of {} rounds (slowest to fastest)\n",
                         speed.model, speed.batch, kRounds));
  print_text(fmt::format("{:.1f} images/s ({:.1f} to {:.1f})\n", speed.images_per_second(speed.median()),
                         speed.images_per_second(speed.seconds.back()),
                         speed.images_per_second(speed.seconds.front())));
  print_text(fmt::format("{:.2f} ms/step ({:.2f} to {:.2f})\n", speed.median() * 1e3,
                         speed.seconds.back() * 1e3, speed.seconds.front() * 1e3));
  print_text(fmt::format(
      "{:.1f} GFLOP/s of dense arithmetic ({:.0f} MFLOP per image, of which {}unread outputs are skipped)\n",
      speed.gflops(), speed.flop / 1e6, speed.peak ? "zeros and " : ""));
  if (speed.peak) {
    print_text(
        fmt::format("{:.2f} of the multiply-add peak, measured at {:.1f} GFLOP/s on the same threads\n",
                    speed.gflops() / *speed.peak, *speed.peak));
  }
}

Result<int> run_bench(const BenchArguments& arguments) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  print_note(machine->description(), arguments.json);
  const auto speed = measure(*machine, arguments.batch);
  if (!speed.ok()) return speed.status();
  if (arguments.json) {
    print_json(as_json(*speed, *machine, arguments));
  } else {
    print_speed(*speed);
  }
  return 0;
}

}  // namespace

std::vector<Command> bench_commands(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measures speed");
  bench->require_subcommand(1);
  bench->footer(
      "Examples:\n  bauta bench train\n  bauta bench train --json | jq .images_per_second\n  bauta bench "
      "epoch");
  CLI::App* train = bench->add_subcommand("train", "Measures how fast the study's network trains");
  train->footer(kExamples);
  auto arguments = std::make_shared<BenchArguments>();
  add_batch_option(*train, arguments->batch, "images of one step");
  add_switch(*train, "--json", arguments->json, "one object of JSON on stdout");
  add_device_options(*train, arguments->device);
  std::vector<Command> commands = {{train, [arguments] { return run_bench(*arguments); }},
                                   bench_epoch_command(*bench)};
  commands.push_back(bench_kernels_command(*bench));
  return commands;
}

}  // namespace bauta
