#include "apps/bauta/kernel_times.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "apps/bauta/bench_step.h"
#include "apps/bauta/kernel_report.h"
#include "apps/bauta/terminal.h"
#include "kernels/cuda/launch_times.h"
#include "kernels/peak/gpu_peak.h"

namespace bauta {
namespace {

Result<Ceilings> measure_ceilings(Context context, bool tensor_cores) {
  auto memory = DeviceBuffer<float>::create(context, kPeakFloats);
  if (!memory.ok()) return memory.status();
  LaunchTimes times;
  context.launch_times = &times;
  BAUTA_TRY(launch_peak_kernels(context, memory->span(), tensor_cores));
  Ceilings ceilings;
  for (const LaunchTime& time : times.launches) {
    if (time.kernel == "peak_fma") ceilings.multiply_adds = time.work.multiply_adds / time.seconds;
    if (time.kernel == "peak_mma") ceilings.products = time.work.multiply_adds / time.seconds;
    if (time.kernel == "peak_memory") ceilings.memory = time.work.moved / time.seconds;
    if (time.kernel == "peak_cache") ceilings.cache = time.work.moved / time.seconds;
  }
  return ceilings;
}

Result<std::vector<LaunchTime>> time_step(Context context, int batch) {
  LaunchTimes times;
  context.launch_times = &times;
  // Parameters change by every repeat of the optimiser's kernel: their values do not matter.
  BAUTA_TRY(run_study_step(context, batch));
  return times.launches;
}

// Or -, where it is not known.
std::string size_text(const std::array<unsigned, 3>& size) {
  return size[0] == 0 ? "-" : fmt::format("{}x{}x{}", size[0], size[1], size[2]);
}

OrderedJson launch_json(const LaunchTime& time, const Roof& roof) {
  return {{"kernel", time.kernel},
          {"grid", size_text(time.grid)},
          {"block", size_text(time.block)},
          {"microseconds", time.seconds * 1e6},
          {"model", time.work.moved},
          {"floor", time.work.floor},
          {"multiply_adds", time.work.multiply_adds},
          {"roof_microseconds", roof.seconds * 1e6},
          {"bound_by", roof.bound}};
}

std::vector<std::string> launch_row(const LaunchTime& time, const Roof& roof) {
  const auto per_second = [&](double amount) {
    return amount > 0 ? fmt::format("{:.0f}", amount / time.seconds / 1e9) : "-";
  };
  return {time.kernel,
          size_text(time.grid),
          size_text(time.block),
          fmt::format("{:.2f}", time.seconds * 1e6),
          per_second(2 * time.work.multiply_adds),
          per_second(time.work.moved),
          per_second(time.work.floor),
          fmt::format("{:.2f}", roof.seconds * 1e6),
          fmt::format("{:.0f} %", 100 * roof.seconds / time.seconds),
          roof.bound};
}

}  // namespace

Result<int> time_kernels(const Machine& machine, int batch, bool json) {
  const bool tensor_cores = check_precision(*machine.gpu(), Precision::bf16).ok();
  const auto ceilings = measure_ceilings(machine.context(), tensor_cores);
  if (!ceilings.ok()) return ceilings.status();
  const auto launches = time_step(machine.context(), batch);
  if (!launches.ok()) return launches.status();
  OrderedJson all = OrderedJson::array();
  std::vector<std::vector<std::string>> rows = {{"kernel", "grid", "block", "us", "GFLOP/s", "moved GB/s",
                                                 "floor GB/s", "roof us", "of roof", "bound by"}};
  double seconds = 0;
  for (const LaunchTime& time : *launches) {
    const bool tensor = machine.context().precision == Precision::bf16;
    const Roof roof = roof_of(time.work, tensor, *ceilings);
    all.push_back(launch_json(time, roof));
    rows.push_back(launch_row(time, roof));
    seconds += time.seconds;
  }
  if (json) {
    OrderedJson report = kernel_report(machine, batch, std::move(all));
    report["microseconds"] = seconds * 1e6;
    report["ceilings"] = {{"memory", ceilings->memory},
                          {"cache", ceilings->cache},
                          {"multiply_adds", ceilings->multiply_adds},
                          {"products", ceilings->products}};
    print_json(report);
    return 0;
  }
  print_text(
      fmt::format("measured: memory {:.0f} GB/s, L2 {:.0f} GB/s, fp32 {:.1f} TFLOP/s, bf16 by mma {:.1f} "
                  "TFLOP/s\n",
                  ceilings->memory / 1e9, ceilings->cache / 1e9, 2 * ceilings->multiply_adds / 1e12,
                  2 * ceilings->products / 1e12));
  print_text(fmt::format("one training step of batch {}: {:.1f} us in its kernels\n{}", batch, seconds * 1e6,
                         table(rows)));
  return 0;
}

}  // namespace bauta
