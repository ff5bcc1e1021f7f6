#include "apps/bauta/epoch_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apps/bauta/measure_ranks.h"
#include "apps/bauta/terminal.h"
#include "engine/comm/nccl.h"
#include "engine/core/host.h"
#include "kernels/peak/peak.h"
#include "optim/scaling.h"

namespace bauta {
namespace {

// Between the GPUs of one host, assumed: NVLink, as NCCL uses it for some MB.
constexpr Link kAssumedLink = {2e-6, 200e9};
// The part of a GPU's step that comes after the first gradients, assumed: the convolutions' backward.
constexpr double kAssumedWindow = 0.5;

Result<double> fma_peak(int threads) {
  ThreadPool pool(threads);
  BAUTA_TRY(pool.status());
  Context context;
  context.pool = &pool;
  return measure_fma_peak(context);
}

}  // namespace

EpochTable::EpochTable(const EpochPlan& plan, const DeviceOptions& options, std::vector<Devices> devices)
    : plan_(plan), options_(options), devices_(std::move(devices)) {
  const auto gpus = Gpu::count();
  gpus_ = gpus.ok() ? *gpus : 0;
  if (!gpus.ok()) why_no_gpu_ = gpus.status().what();
}

Status EpochTable::fill() {
  for (const Devices& devices : devices_) BAUTA_TRY(add(devices));
  return {};
}

double EpochTable::epoch_seconds(const EpochMeasurement& m) const {
  return m.step * train_steps() + m.val_image * kValImages;
}

int EpochTable::threads_of(int ranks) const {
  return options_.threads > 0 ? options_.threads : std::max(1, usable_cores() / ranks);
}

// Empty where the devices are at hand.
std::string EpochTable::why_not_at_hand(const Devices& devices) const {
  if (devices.device == "cpu") return {};
  if (gpus_ == 0) return why_no_gpu_;
  if (devices.ranks > gpus_) return fmt::format("GPUs at hand: {}", gpus_);
  return devices.ranks > 1 && !has_nccl() ? "this build has no NCCL" : "";
}

Status EpochTable::add(const Devices& devices) {
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
    if (devices.device == "cpu") BAUTA_TRY(compare(*one, m));
  } else if (devices.device == "cpu") {
    scaling_.push_back({1, m.threads, 1, 1, m.compute.at(plan_.batch), m.step});
  }
  rows_.push_back(row);
  return {};
}

// Ranks on CPUs against one with as many threads. Where all cores compute, no sum is hidden.
Status EpochTable::compare(const EpochMeasurement& one, const EpochMeasurement& m) {
  const auto fma_of_all = fma_peak(m.ranks * m.threads);
  if (!fma_of_all.ok()) return fma_of_all.status();
  const auto fma_of_one = fma_peak(m.threads);
  if (!fma_of_one.ok()) return fma_of_one.status();
  const double fma_speed_up = *fma_of_all / *fma_of_one;
  const double compute = one.compute.at(part(m.ranks)) * m.ranks / fma_speed_up;
  const bool cores_left = m.ranks * m.threads < usable_cores();
  const RankStep step{compute, cores_left ? one.window / one.step * compute : 0,
                      static_cast<double>(m.gradient_bytes), static_cast<double>(m.last_bytes)};
  const Link link = link_of(m.ranks, m.hop, m.sum, static_cast<double>(m.gradient_bytes));
  scaling_.push_back({m.ranks, m.threads, one.fastest_step / m.fastest_step, fma_speed_up,
                      step_seconds(step, link, m.ranks), m.step});
  return {};
}

// N devices as fast as the one at hand, each with its part of the batch.
Status EpochTable::project(const Devices& devices, const std::string& why) {
  const std::string device = gpus_ > 0 ? "cuda" : "cpu";
  const auto one = measure(device, 1, threads_of(1));
  if (!one.ok()) return one.status();
  const double compute = one->compute.at(part(devices.ranks));
  const double loading = std::max(0.0, one->step - one->compute.at(plan_.batch));
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
      "{} is projected, as it is not here ({}): each of its devices is taken to be as fast as this "
      "one, {} (a step on {} images: {:.3f} ms), and linked by {:.0f} us a hop and {:.0f} GB/s, both assumed",
      devices.name, why, one->device, part(devices.ranks), compute * 1e3, kAssumedLink.latency * 1e6,
      kAssumedLink.bandwidth / 1e9));
  return {};
}

Result<EpochMeasurement> EpochTable::measure(const std::string& device, int ranks, int threads) {
  const auto key = std::tuple(device, ranks, threads);
  if (const auto found = measured_.find(key); found != measured_.end()) return found->second;
  print_note(
      fmt::format("measuring {} of {} on {}", counted(ranks, "rank"), counted(threads, "thread"), device),
      /*keep_stdout=*/true);
  DeviceOptions options = options_;
  options.device = device;
  options.ranks = ranks;
  options.threads = threads;
  auto result = ranks == 1 ? measure_here(options) : measure_ranks(options, plan_);
  if (result.ok()) measured_[key] = *result;
  return result;
}

Result<EpochMeasurement> EpochTable::measure_here(const DeviceOptions& options) const {
  const auto machine = Machine::open(options);
  if (!machine.ok()) return machine.status();
  EpochPlan plan = plan_;
  plan.parts = {plan.batch};
  for (const Devices& devices : devices_) plan.parts.push_back(part(devices.ranks));
  return measure_epoch(*machine, alone(), plan);
}

}  // namespace bauta
