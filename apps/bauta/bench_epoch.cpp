#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <tuple>

#include "apps/bauta/command.h"
#include "apps/bauta/launch.h"
#include "apps/bauta/measure_epoch.h"
#include "apps/bauta/measure_ranks.h"
#include "apps/bauta/terminal.h"
#include "engine/comm/nccl.h"
#include "engine/comm/world.h"
#include "engine/core/host.h"
#include "kernels/peak/peak.h"
#include "optim/scaling.h"

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

constexpr int kTrainImages = 85'500;
constexpr int kValImages = 9'500;
// Between the GPUs of one host, assumed: NVLink, as NCCL uses it for some MB.
constexpr Link kAssumedLink = {2e-6, 200e9};
// The part of a GPU's step that comes after the first gradients, assumed: the convolutions' backward.
constexpr double kAssumedWindow = 0.5;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct EpochArguments {
  std::vector<std::string> devices = {"cpu"};
  EpochPlan plan;
  Kernels kernels = Kernels::hand;
  Precision precision = Precision::fp32;
  int threads = 0;
  bool json = false;
  std::string measurement;  // where rank 0 of several leaves what it measured
};

/// One of --devices: "cuda:8".
struct Devices {
  std::string name;
  std::string device;
  int ranks = 1;
};

/// A line of the table. Times are in seconds.
struct Row {
  std::string name;
  bool measured;  ///< or projected
  std::string how;
  double train = 0;
  double val = 0;
  double efficiency = kNone;
  double sums = kNone;
  double waited = kNone;

  double epoch() const { return train + val; }
  double images_per_second() const { return (kTrainImages + kValImages) / epoch(); }
};

/// Ranks on CPUs against one, and the model's word on them.
struct Scaling {
  int ranks = 1;
  int threads = 1;
  double speed_up = 1;
  double fma_speed_up = 1;
  double predicted = 0;  ///< seconds of a step
  double measured = 0;
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

/// Measures what is asked for, each once, and reckons with it.
class EpochTable {
 public:
  EpochTable(const EpochArguments& arguments, std::vector<Devices> devices)
      : arguments_(arguments), devices_(std::move(devices)) {
    const auto gpus = Gpu::count();
    gpus_ = gpus.ok() ? *gpus : 0;
    if (!gpus.ok()) why_no_gpu_ = why_no_gpu(gpus.status());
  }

  Status fill() {
    for (const Devices& devices : devices_) BAUTA_TRY(add(devices));
    return {};
  }

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Scaling>& scaling() const { return scaling_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  int part(int ranks) const { return (arguments_.plan.batch + ranks - 1) / ranks; }
  int threads_of(int ranks) const {
    return arguments_.threads > 0 ? arguments_.threads : std::max(1, usable_cores() / ranks);
  }
  // Empty where the devices are at hand.
  std::string why_not_at_hand(const Devices& devices) const {
    if (devices.device == "cpu") return {};
    if (gpus_ == 0) return why_no_gpu_;
    if (devices.ranks > gpus_) return fmt::format("GPUs at hand: {}", gpus_);
    return devices.ranks > 1 && !has_nccl() ? "this build has no NCCL" : "";
  }

  Status add(const Devices& devices) {
    if (const std::string why = why_not_at_hand(devices); !why.empty()) return project(devices, why);
    const auto measured = measure(devices.device, devices.ranks, threads_of(devices.ranks));
    if (!measured.ok()) return measured.status();
    const EpochMeasurement& m = *measured;
    Row row{devices.name, /*measured=*/true,
            fmt::format("measured, {} of {} steps", with_commas(m.steps), with_commas(train_steps()))};
    notes_.push_back(fmt::format("{}: {}", devices.name, m.device));
    row.train = m.step * train_steps();
    row.val = m.val_image * kValImages;
    if (devices.ranks > 1) {
      const auto one = measure(devices.device, 1, m.threads);
      if (!one.ok()) return one.status();
      row.efficiency = epoch_seconds(*one) / devices.ranks / row.epoch();
      row.sums = m.sum;
      row.waited = m.waited;
      if (devices.device == "cpu") compare(*one, m);
    } else if (devices.device == "cpu") {
      scaling_.push_back({1, m.threads, 1, 1, m.compute.at(arguments_.plan.batch), m.step});
    }
    rows_.push_back(row);
    return {};
  }

  int train_steps() const { return (kTrainImages + arguments_.plan.batch - 1) / arguments_.plan.batch; }
  double epoch_seconds(const EpochMeasurement& m) const {
    return m.step * train_steps() + m.val_image * kValImages;
  }

  // Ranks on CPUs against one with as many threads. Where all cores compute, no sum is hidden.
  void compare(const EpochMeasurement& one, const EpochMeasurement& m) {
    const double fma_speed_up = fma_peak(m.ranks * m.threads) / fma_peak(m.threads);
    const double compute = one.compute.at(part(m.ranks)) * m.ranks / fma_speed_up;
    const bool cores_left = m.ranks * m.threads < usable_cores();
    const RankStep step{compute, cores_left ? one.window / one.step * compute : 0,
                        static_cast<double>(m.gradient_bytes), static_cast<double>(m.last_bytes)};
    const Link link = link_of(m.ranks, m.hop, m.sum, static_cast<double>(m.gradient_bytes));
    scaling_.push_back({m.ranks, m.threads, one.fastest_step / m.fastest_step, fma_speed_up,
                        step_seconds(step, link, m.ranks), m.step});
  }

  static double fma_peak(int threads) {
    ThreadPool pool(threads);
    Context context;
    context.pool = &pool;
    return measure_fma_peak(context);
  }

  // N devices as fast as the one at hand, each with its part of the batch.
  Status project(const Devices& devices, const std::string& why) {
    const std::string device = gpus_ > 0 ? "cuda" : "cpu";
    const auto one = measure(device, 1, threads_of(1));
    if (!one.ok()) return one.status();
    const double compute = one->compute.at(part(devices.ranks));
    const double loading = std::max(0.0, one->step - one->compute.at(arguments_.plan.batch));
    const RankStep step{compute, kAssumedWindow * compute, static_cast<double>(one->gradient_bytes),
                        static_cast<double>(one->last_bytes)};
    const double seconds = step_seconds(step, kAssumedLink, devices.ranks);
    Row row{devices.name, /*measured=*/false,
            fmt::format("PROJECTED, not measured: {} x this {}", devices.ranks, device)};
    row.train = (seconds + loading) * train_steps();
    row.val = one->val_image * kValImages / devices.ranks;
    if (devices.ranks > 1) row.efficiency = epoch_seconds(*one) / devices.ranks / row.epoch();
    row.sums = sum_seconds(kAssumedLink, devices.ranks, step.gradient_bytes);
    row.waited = seconds - compute;
    rows_.push_back(row);
    notes_.push_back(fmt::format(
        "{} is projected, for it is not at hand ({}): each of its devices is taken to be as fast as this "
        "one, "
        "{} (a step on {} images: {:.3f} ms), and linked by {:.0f} us a hop and {:.0f} GB/s, both assumed",
        devices.name, why, one->device, part(devices.ranks), compute * 1e3, kAssumedLink.latency * 1e6,
        kAssumedLink.bandwidth / 1e9));
    return {};
  }

  Result<EpochMeasurement> measure(const std::string& device, int ranks, int threads) {
    const auto key = std::tuple(device, ranks, threads);
    if (const auto found = measured_.find(key); found != measured_.end()) return found->second;
    print_note(fmt::format("measuring {} rank{} of {} thread{} on {}", ranks, ranks == 1 ? "" : "s", threads,
                           threads == 1 ? "" : "s", device),
               /*json=*/true);
    auto result = ranks == 1 ? measure_here(device, threads)
                             : measure_ranks(device_options(device, ranks, threads), arguments_.plan);
    if (result.ok()) measured_[key] = *result;
    return result;
  }

  DeviceOptions device_options(const std::string& device, int ranks, int threads) const {
    return {.device = device,
            .precision = arguments_.precision,
            .threads = threads,
            .ranks = ranks,
            .kernels = arguments_.kernels};
  }

  Result<EpochMeasurement> measure_here(const std::string& device, int threads) const {
    const auto machine = Machine::open(device_options(device, 1, threads));
    if (!machine.ok()) return machine.status();
    EpochPlan plan = arguments_.plan;
    plan.parts = {plan.batch};
    for (const Devices& devices : devices_) plan.parts.push_back(part(devices.ranks));
    return measure_epoch(*machine, alone(), plan);
  }

  const EpochArguments& arguments_;
  const std::vector<Devices> devices_;
  int gpus_ = 0;
  std::string why_no_gpu_;
  std::map<std::tuple<std::string, int, int>, EpochMeasurement> measured_;
  std::vector<Row> rows_;
  std::vector<Scaling> scaling_;
  std::vector<std::string> notes_;
};

std::string number(double value, const char* format = "{:.1f}") {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

void print_table(const EpochTable& found) {
  std::vector<std::vector<std::string>> cells = {
      {"", "train s", "val s", "epoch s", "images/s", "val_acc", "efficiency", "sums ms", "waited ms", ""},
      {"study, 16 vCPU", "-", "-", "300-500", "190-317", "0.9874", "-", "-", "-", "its Table 2"},
      {"study, 1 GPU", "-", "-", "30-90", "1056-3167", "0.9946", "-", "-", "-", "its Table 2"},
      {"study, best epoch", "-", "-", "36", "2575", "-", "-", "-", "-",
       "2,897 batches; 8 GPUs or 1, it says both"}};
  for (const Row& row : found.rows()) {
    cells.push_back({row.name, number(row.train), number(row.val), number(row.epoch()),
                     number(row.images_per_second(), "{:.0f}"), "-", number(row.efficiency, "{:.2f}"),
                     number(row.sums * 1e3, "{:.2f}"), number(row.waited * 1e3, "{:.2f}"), row.how});
  }
  fmt::print("{}", table(cells, {9}));
  for (const Scaling& s : found.scaling()) {
    fmt::print(
        "model, {} rank{} of {} thread{} on the CPU: a step of {:.2f} ms predicted, {:.2f} ms measured\n",
        s.ranks, s.ranks == 1 ? "" : "s", s.threads, s.threads == 1 ? "" : "s", s.predicted * 1e3,
        s.measured * 1e3);
    if (s.ranks == 1) continue;
    fmt::print("{} ranks train {:.2f} times as fast as one; multiply-adds alone gain {:.2f}: {:.2f} of it\n",
               s.ranks, s.speed_up, s.fma_speed_up, s.speed_up / s.fma_speed_up);
  }
  for (const std::string& note : found.notes()) fmt::print("{}\n", note);
  fmt::print(
      "val_acc of ours is -: random images teach nothing; bauta train and scripts/reproduce measure it\n");
}

Json as_json(const EpochTable& found, const EpochArguments& arguments) {
  Json rows = Json::array();
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
  Json scaling = Json::array();
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
          {"kernels", kernels_name(arguments.kernels)},
          {"precision", precision_name(arguments.precision)},
          {"rows", rows},
          {"scaling", scaling},
          {"notes", found.notes()}};
}

Result<int> run_epoch(const EpochArguments& arguments) {
  std::vector<Devices> all;
  for (const std::string& name : arguments.devices) {
    const auto devices = parse_devices(name);
    if (!devices.ok()) return devices.status();
    if (arguments.plan.batch < devices->ranks) {
      return Status::usage(
          "a batch of " + std::to_string(arguments.plan.batch) + " has no image for each rank", name,
          "use a larger --batch");
    }
    all.push_back(*devices);
  }
  if (!arguments.measurement.empty()) {
    const DeviceOptions options{.device = all.front().device,
                                .precision = arguments.precision,
                                .threads = arguments.threads,
                                .kernels = arguments.kernels};
    return measure_as_rank(options, arguments.plan, arguments.measurement);
  }
  EpochTable found(arguments, std::move(all));
  BAUTA_TRY(found.fill());
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
  epoch->add_option("--batch", plan.batch, "images of one step, of all ranks together")
      ->check(CLI::Range(1, 65536))
      ->type_name("N")
      ->capture_default_str();
  CLI::Option* steps =
      epoch->add_option("--steps", plan.steps, "training steps to measure; 0: as many as take 10 s")
          ->check(CLI::NonNegativeNumber)
          ->type_name("N")
          ->capture_default_str();
  epoch->add_flag("--full", plan.full, "run all of the epoch")->excludes(steps);
  add_products_options(*epoch, arguments->kernels, arguments->precision);
  epoch
      ->add_option("--threads", arguments->threads,
                   "threads of each rank (default: the cores, shared among them)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  epoch->add_flag("--json", arguments->json, "one object of JSON on stdout");
  epoch->add_option("--measurement", arguments->measurement)->group("");  // not for people
  return {epoch, [arguments] { return run_epoch(*arguments); }};
}

}  // namespace bauta
