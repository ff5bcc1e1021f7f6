#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <memory>

#include "apps/bauta/command.h"
#include "apps/bauta/epoch_table.h"
#include "apps/bauta/launch.h"
#include "apps/bauta/measure_ranks.h"
#include "apps/bauta/options.h"
#include "apps/bauta/stop.h"
#include "apps/bauta/terminal.h"
#include "optim/trainer.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta bench epoch
      An epoch at the study's scale on all cores, beside the study's.
  bauta bench epoch --devices cpu,cuda:1,cuda:8
      Also on GPUs; those that are not at hand are projected from what is, and marked.
  bauta bench epoch --devices cuda --kernels vendor --precision bf16
      With the products of cuDNN and cuBLASLt.
  bauta bench epoch --devices cpu:2 --threads 1
      Two processes of one thread each against one, beside what multiply-adds alone gain from a second thread.
  bauta bench epoch --full --json | jq '.rows[].epoch_seconds'

An epoch is 85,500 images to train on and 9,500 to validate. So many steps as take about 10 s are measured, on random
images that lie in memory, and the epoch is reckoned from them, unless --full has all of it run. Where there are several
ranks: one rank with as many threads is measured too, and the efficiency is set against it. sums is what adding up the
gradients takes by itself, waited what of it computing does not hide, both in ms a step.)";

struct EpochArguments {
  std::vector<std::string> devices = {"cpu"};
  EpochPlan plan;
  DeviceOptions options;  // kernels, precision and threads; devices name the rest
  bool json = false;
  std::string measurement;  // where rank 0 of several leaves what it measured
};

Result<Devices> parse_devices(const std::string& name) {
  const std::size_t colon = name.find(':');
  Devices devices{name, name.substr(0, colon)};
  const char* const end = name.data() + name.size();
  const auto parsed = colon == std::string::npos
                          ? std::from_chars_result{end, std::errc()}
                          : std::from_chars(name.data() + colon + 1, end, devices.ranks);
  const bool known = devices.device == "cpu" || devices.device == "cuda";
  if (known && parsed.ec == std::errc() && parsed.ptr == end && devices.ranks >= 1 &&
      devices.ranks <= kMaxRanksOfHost) {
    return devices;
  }
  return Status::usage("'" + name + "' is no number of devices", "--devices",
                       "use cpu, cpu:N, cuda or cuda:N with N from 1 to " + std::to_string(kMaxRanksOfHost));
}

/// What the study measured: its Table 2, each figure as the range that it gives.
struct StudyRow {
  struct Range {
    double low, high;
  };

  const char* devices;
  Range epoch;              ///< seconds
  Range images_per_second;  ///< reckoned from those
  double val_acc;           ///< NaN where it gives none
  const char* note;
};

constexpr std::array kStudy = {
    StudyRow{"16 vCPU", {300, 500}, {190, 317}, 0.9874, "its Table 2"},
    StudyRow{"1 GPU", {30, 90}, {1056, 3167}, 0.9946, "its Table 2"},
    StudyRow{"best epoch", {36, 36}, {2575, 2575}, NAN, "2,897 batches; 8 GPUs or 1, it says both"},
};

std::string number(double value, const char* format = "{:.1f}") {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

std::string range(const StudyRow::Range& r) {
  return r.low == r.high ? number(r.low, "{:.0f}") : fmt::format("{:.0f}-{:.0f}", r.low, r.high);
}

void print_table(const EpochTable& found) {
  std::vector<std::vector<std::string>> cells = {
      {"", "train s", "val s", "epoch s", "images/s", "val_acc", "efficiency", "sums ms", "waited ms", ""}};
  for (const StudyRow& row : kStudy) {
    cells.push_back({fmt::format("study, {}", row.devices), "-", "-", range(row.epoch),
                     range(row.images_per_second), number(row.val_acc, "{:.4f}"), "-", "-", "-", row.note});
  }
  for (const Row& row : found.rows()) {
    cells.push_back({row.name, number(row.train), number(row.val), number(row.epoch()),
                     number(row.images_per_second(), "{:.0f}"), "-", number(row.efficiency, "{:.2f}"),
                     number(row.sums * 1e3, "{:.2f}"), number(row.waited * 1e3, "{:.2f}"), row.how});
  }
  print_text(table(cells, {9}));
  for (const Scaling& s : found.scaling()) {
    print_text(fmt::format("model, {} of {} on the CPU: a step of {:.2f} ms predicted, {:.2f} ms measured\n",
                           counted(s.ranks, "rank"), counted(s.threads, "thread"), s.predicted * 1e3,
                           s.measured * 1e3));
    if (s.ranks == 1) continue;
    print_text(fmt::format(
        "{} ranks train {:.2f} times as fast as one; multiply-adds alone gain {:.2f}: {:.2f} of it\n",
        s.ranks, s.speed_up, s.fma_speed_up, s.speed_up / s.fma_speed_up));
  }
  for (const std::string& note : found.notes()) print_note(note);
  print_note(
      "val_acc of ours is -: random images teach nothing; bauta train and scripts/reproduce measure it");
}

// The study's rows, with the keys that ours have.
OrderedJson study_as_json() {
  OrderedJson rows = OrderedJson::array();
  for (const StudyRow& row : kStudy) {
    rows.push_back({{"devices", row.devices},
                    {"how", row.note},
                    {"epoch_seconds", {row.epoch.low, row.epoch.high}},
                    {"images_per_second", {row.images_per_second.low, row.images_per_second.high}},
                    {"val_acc", row.val_acc}});
  }
  return rows;
}

OrderedJson as_json(const EpochTable& found, const EpochArguments& arguments) {
  OrderedJson rows = OrderedJson::array();
  for (const Row& row : found.rows()) {
    rows.push_back({{"devices", row.name},
                    {"measured", row.measured},
                    {"how", row.how},
                    {"train_seconds", row.train},
                    {"val_seconds", row.val},
                    {"epoch_seconds", row.epoch()},
                    {"images_per_second", row.images_per_second()},
                    {"val_acc", nullptr},
                    {"efficiency", row.efficiency},
                    {"sums_ms", row.sums * 1e3},
                    {"waited_ms", row.waited * 1e3}});
  }
  OrderedJson scaling = OrderedJson::array();
  for (const Scaling& s : found.scaling()) {
    scaling.push_back({{"ranks", s.ranks},
                       {"threads", s.threads},
                       {"predicted_ms", s.predicted * 1e3},
                       {"measured_ms", s.measured * 1e3},
                       {"speed_up", s.speed_up},
                       {"fma_speed_up", s.fma_speed_up}});
  }
  return {{"train_images", kTrainImages},
          {"val_images", kValImages},
          {"batch", arguments.plan.batch},
          {"kernels", kernels_name(arguments.options.kernels)},
          {"precision", precision_name(arguments.options.precision)},
          {"study", study_as_json()},
          {"rows", rows},
          {"scaling", scaling},
          {"notes", found.notes()}};
}

Result<int> run_epoch(const EpochArguments& arguments) {
  std::vector<Devices> all;
  for (const std::string& name : arguments.devices) {
    const auto devices = parse_devices(name);
    if (!devices.ok()) return devices.status();
    BAUTA_TRY(check_batch(arguments.plan.batch, devices->ranks));
    if (devices->device == "cpu" && devices->ranks > 1) BAUTA_TRY(check_mpi(name));
    all.push_back(*devices);
  }
  if (!arguments.measurement.empty()) {
    DeviceOptions options = arguments.options;
    options.device = all.front().device;
    return measure_as_rank(options, arguments.plan, arguments.measurement);
  }
  EpochTable found(arguments.plan, arguments.options, std::move(all));
  if (const Status filled = found.fill(); !filled.ok()) return failed(filled, ranks_were_stopped());
  if (arguments.json) {
    print_json(as_json(found, arguments));
  } else {
    print_table(found);
  }
  return 0;
}

}  // namespace

Command bench_epoch_command(CLI::App& bench) {
  CLI::App* epoch =
      bench.add_subcommand("epoch", "Measures an epoch at the study's scale, beside the study's");
  epoch->footer(kExamples);
  auto arguments = std::make_shared<EpochArguments>();
  EpochPlan& plan = arguments->plan;
  plan.train_images = kTrainImages;
  plan.val_images = kValImages;
  epoch->add_option("--devices", arguments->devices, "cpu, cpu:N, cuda, cuda:N, with commas between; N ranks")
      ->delimiter(',')
      ->type_name("LIST")
      ->default_str("cpu");
  add_batch_option(*epoch, plan.batch, "images of one step, of all ranks together");
  CLI::Option* steps =
      add_whole_number(*epoch, "--steps", plan.steps, "training steps to measure; 0: as many as take 10 s", 0)
          ->capture_default_str();
  add_switch(*epoch, "--full", plan.full, "run all of the epoch")->excludes(steps);
  add_products_options(*epoch, arguments->options.kernels, arguments->options.precision);
  add_threads_option(*epoch, arguments->options.threads,
                     "threads of each rank (default: the cores, shared among them)");
  add_switch(*epoch, "--json", arguments->json, "one object of JSON on stdout");
  epoch->add_option("--measurement", arguments->measurement)->group("");  // not for people
  return {epoch, [arguments] { return run_epoch(*arguments); }, /*takes_ranks=*/true};
}

}  // namespace bauta
