#include "apps/bauta/measure_ranks.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/bauta/launch.h"
#include "apps/bauta/ranks.h"
#include "apps/bauta/stop.h"
#include "engine/data/batch_part.h"

namespace bauta {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EpochMeasurement, device, ranks, threads, steps, val_images, step,
                                   fastest_step, waited, window, val_image, sum, hop, gradient_bytes,
                                   last_bytes, compute)

namespace {

/// A folder of this user alone, which goes with what is in it.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> create() {
    std::error_code error;
    std::string path = std::filesystem::temp_directory_path(error) / "bauta-bench-XXXXXX";
    if (error) {
      return Status::error("there is no folder for temporary files: " + error.message(), "TMPDIR",
                           "set it to a folder that can be written to");
    }
    if (::mkdtemp(path.data()) == nullptr) return file_error("create", path);
    return TemporaryFolder(std::move(path));
  }

  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;

  /// The path of `name` in the folder.
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved away
};

Result<EpochMeasurement> read_measurement(const std::string& file) {
  const auto text = read_file(file, 1 << 20);
  if (!text.ok()) return text.status();
  try {
    return nlohmann::json::parse(*text).get<EpochMeasurement>();
  } catch (const nlohmann::json::exception& error) {
    return Status::error(std::string("what rank 0 measured cannot be read: ") + error.what(), file,
                         "start all ranks from the same build");
  }
}

}  // namespace

Result<EpochMeasurement> measure_ranks(const DeviceOptions& options, const EpochPlan& plan) {
  const auto folder = TemporaryFolder::create();
  if (!folder.ok()) return folder.status();
  const std::string file = *folder / "measurement.json";
  std::vector<std::string> args = {"bauta",
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
                                   "--measurement",
                                   file};
  if (plan.full) {
    args.emplace_back("--full");
  } else {
    args.insert(args.end(), {"--steps", std::to_string(plan.steps)});
  }
  const auto code = launch_ranks(options.ranks, options.device == "cpu" ? Launcher::mpirun : Launcher::bauta,
                                 args, "bauta bench epoch");
  if (!code.ok()) return code.status();
  if (*code == kExitInterrupted) return Status::error("stopped, and measured nothing", {}, "start it again");
  if (*code != 0) {
    return Status::error("the ranks ended with exit code " + std::to_string(*code), "--devices",
                         "their own output says why");
  }
  return read_measurement(file);
}

Result<int> measure_as_rank(DeviceOptions options, EpochPlan plan, const std::string& file) {
  plan.stop = &stop_on_signals(nullptr);
  const auto ranks = Ranks::open("bauta bench epoch");
  if (!ranks.ok()) return ranks.status();
  const auto measure = [&]() -> Result<int> {
    const Communicator& world = (*ranks)->communicator();
    options.ranks = world.size();
    options.ranks_on_host = (*ranks)->on_this_host();
    options.rank_on_host = (*ranks)->before_on_this_host();
    const auto machine = Machine::open(options);
    if (!machine.ok()) return machine.status();
    const auto sums = (*ranks)->connect_devices(machine->context());
    if (!sums.ok()) return sums.status();
    plan.parts = {largest_part(plan.batch, world.size())};
    const auto measured = measure_epoch(*machine, **sums, plan);
    if (!measured.ok()) return measured.status();
    if (measured->steps == 0) return kExitInterrupted;
    if (world.leads()) BAUTA_TRY(write_file(file, nlohmann::json(*measured).dump()));
    return 0;
  };
  auto code = measure();
  return code.ok() ? code : (*ranks)->fail(code.status());
}

}  // namespace bauta
