#include "apps/bauta/kernel_counts.h"

#include <fmt/format.h>

#include "apps/bauta/bench_step.h"
#include "apps/bauta/terminal.h"
#include "kernels/simt/log.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

double roof_microseconds(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  Work work = launch.work;
  work.moved = launch.moved_bytes();
  return 1e6 * roof_of(work, launch.mma > 0, gpu.ceilings).seconds;
}

double requested_bytes(const simt::LaunchCounts& launch) {
  double bytes = 0;
  for (const simt::SiteCount& site : launch.sites) {
    if (site.space == simt::Space::global) bytes += static_cast<double>(site.bytes);
  }
  return bytes;
}

// Of the launches whose work is known.
double all_roof_microseconds(const simt::Log& log, const GpuPeak& gpu, bool beside) {
  double sum = 0;
  for (const auto& launch : log.launches) {
    if (launch.beside == beside && launch.work.moved > 0) sum += roof_microseconds(launch, gpu);
  }
  return sum;
}

std::string size_text(const simt::dim3& size) { return fmt::format("{}x{}x{}", size.x, size.y, size.z); }

OrderedJson launch_json(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  OrderedJson json = {{"kernel", launch.kernel},
                      {"grid", size_text(launch.grid)},
                      {"block", size_text(launch.block)},
                      {"beside", launch.beside},
                      {"requested", requested_bytes(launch)},
                      {"sectors", launch.moved_bytes()},
                      {"conflict_degree", launch.bank_conflict_degree()},
                      {"mma", launch.mma},
                      {"barriers", launch.barriers}};
  if (launch.work.moved > 0) {
    json["model"] = launch.work.moved;
    json["floor"] = launch.work.floor;
    json["multiply_adds"] = launch.work.multiply_adds;
    json["roof_microseconds"] = roof_microseconds(launch, gpu);
  }
  return json;
}

std::vector<std::string> launch_row(const simt::LaunchCounts& launch, const GpuPeak& gpu) {
  const auto megabytes = [](double bytes) { return fmt::format("{:.3f}", bytes / 1e6); };
  const auto if_modelled = [&](std::string text) { return launch.work.moved > 0 ? std::move(text) : "-"; };
  return {launch.kernel,
          size_text(launch.grid),
          size_text(launch.block),
          megabytes(requested_bytes(launch)),
          megabytes(launch.moved_bytes()),
          if_modelled(megabytes(launch.work.moved)),
          if_modelled(megabytes(launch.work.floor)),
          fmt::format("{:.2f}", launch.bank_conflict_degree()),
          std::to_string(launch.mma),
          std::to_string(launch.barriers),
          if_modelled(fmt::format("{:.2f}", roof_microseconds(launch, gpu)))};
}

}  // namespace

Result<int> count_kernels(const Machine& machine, int batch, const GpuPeak& gpu, bool json) {
  simt::Log log;
  Context context = machine.context();
  context.simt_log = &log;
  BAUTA_TRY(run_study_step(context, batch));

  if (json) {
    OrderedJson rows = OrderedJson::array();
    for (const auto& launch : log.launches) rows.push_back(launch_json(launch, gpu));
    OrderedJson report = kernel_report(machine, batch, std::move(rows));
    report["gpu"] = gpu.name;
    report["roof_microseconds"] = all_roof_microseconds(log, gpu, false);
    report["roof_microseconds_beside"] = all_roof_microseconds(log, gpu, true);
    print_json(report);
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"kernel", "grid", "block", "requested MB", "sectors MB",
                                                 "model MB", "floor MB", "conflict degree", "mma", "barriers",
                                                 fmt::format("roof us, {}", gpu.name)}};
  for (const auto& launch : log.launches) rows.push_back(launch_row(launch, gpu));
  print_text(fmt::format(
      "one training step of the {} network, batch {}: roofs of {:.1f} us, beside which go the next step's "
      "images and wgrads of {:.1f} us\n{}",
      zoo_names().front(), batch, all_roof_microseconds(log, gpu, false),
      all_roof_microseconds(log, gpu, true), table(rows)));
  return 0;
}

}  // namespace bauta
