#include "optim/open_run.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/io/file.h"
#include "optim/run_config.h"

namespace bauta {
namespace {

// Fails where the folder holds a run without a checkpoint that is not one like this.
Status check_started_like(const std::string& config, const std::string& out) {
  const std::string path = config_path(out);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  const auto kept = read_config(out);
  if (!kept.ok()) return kept.status();
  return check_resumable(*kept, config, path);
}

// The checkpoint to go on from, if there is one and it belongs to a run like this.
Result<std::optional<Checkpoint>> checkpoint_to_resume(const std::string& out, const std::string& config) {
  const std::string path = last_path(out);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    BAUTA_TRY(check_started_like(config, out));
    return std::optional<Checkpoint>();
  }
  auto checkpoint = open_checkpoint(path);
  if (!checkpoint.ok()) return checkpoint.status();
  BAUTA_TRY(check_resumable(checkpoint->config_json, config, path));
  return std::optional<Checkpoint>(std::move(*checkpoint));
}

// Fails where the best weights that the checkpoint knows of are gone.
Status check_best(const std::string& out, const TrainingState& state) {
  std::error_code error;
  if (state.best_epoch == 0 || std::filesystem::exists(best_path(out), error)) return {};
  return Status::error("the weights of epoch " + std::to_string(state.best_epoch) + ", the best, are missing",
                       best_path(out), "put the whole folder back from where it was copied");
}

Result<OpenRun> reopen_run(const std::string& out, const std::string& config, TrainingStep& step) {
  const auto checkpoint = checkpoint_to_resume(out, config);
  if (!checkpoint.ok()) return checkpoint.status();
  OpenRun run;
  if (checkpoint->has_value()) {
    run.state = (*checkpoint)->state;
    run.computed_by = other_computer((*checkpoint)->config_json, config);
    BAUTA_TRY(check_best(out, run.state));
    BAUTA_TRY(restore(**checkpoint, step));
  }
  auto folder = RunFolder::reopen(out, config, run.state.metrics_bytes, run.state.events_bytes);
  if (!folder.ok()) return folder.status();
  run.folder = std::move(*folder);
  return run;
}

}  // namespace

Result<OpenRun> open_run(const std::string& out, bool resume, const std::string& config, TrainingStep& step) {
  if (resume) return reopen_run(out, config, step);
  auto folder = RunFolder::create(out, config);
  if (!folder.ok()) return folder.status();
  return OpenRun{{}, std::move(*folder), {}};
}

}  // namespace bauta
