#include "apps/bauta/measure_ranks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "apps/bauta/launch.h"
#include "apps/bauta/ranks.h"

namespace bauta {

Result<EpochMeasurement> measure_ranks(const DeviceOptions& options, const EpochPlan& plan) {
  const std::string file =
      std::filesystem::temp_directory_path() / fmt::format("bauta-bench-{}.json", ::getpid());
  std::vector<std::string> words = {"bauta",
                                    "bench",
                                    "epoch",
                                    "--devices",
                                    fmt::format("{}:{}", options.device, options.ranks),
                                    "--kernels",
                                    kernels_name(options.kernels),
                                    "--precision",
                                    precision_name(options.precision),
                                    "--threads",
                                    std::to_string(options.threads),
                                    "--batch",
                                    std::to_string(plan.batch),
                                    "--steps",
                                    std::to_string(plan.steps),
                                    "--measurement",
                                    file};
  if (plan.full) words.emplace_back("--full");
  const auto code = launch_ranks(options.ranks, options.device == "cpu" ? Launcher::mpirun : Launcher::bauta,
                                 words, "bauta bench epoch");
  if (!code.ok()) return code.status();
  if (*code != 0) {
    return Status::error("the ranks ended with exit code " + std::to_string(*code), "--devices",
                         "their own words say why");
  }
  const auto text = read_file(file, 1 << 20);
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  if (!text.ok()) return text.status();
  return nlohmann::json::parse(*text).get<EpochMeasurement>();
}

Result<int> measure_as_rank(DeviceOptions options, EpochPlan plan, const std::string& file) {
  const auto ranks = Ranks::open("bauta bench epoch");
  if (!ranks.ok()) return ranks.status();
  const auto measure = [&]() -> Status {
    const Communicator& world = (*ranks)->communicator();
    options.ranks = world.size();
    options.ranks_on_host = (*ranks)->on_this_host();
    options.rank_on_host = (*ranks)->before_on_this_host();
    const auto machine = Machine::open(options);
    if (!machine.ok()) return machine.status();
    BAUTA_TRY((*ranks)->connect_devices(machine->context()));
    plan.parts = {(plan.batch + world.size() - 1) / world.size()};
    const auto measured = measure_epoch(*machine, (*ranks)->communicator(), plan);
    if (!measured.ok()) return measured.status();
    return world.leads() ? write_file(file, nlohmann::json(*measured).dump()) : Status();
  };
  const Status status = measure();
  return status.ok() ? Result<int>(0) : (*ranks)->fail(status);
}

}  // namespace bauta
