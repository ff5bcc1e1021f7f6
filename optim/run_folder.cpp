#include "optim/run_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

namespace bauta {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEpochMark = "\"train_loss\"";  // of each line of metrics.jsonl that is an epoch
constexpr std::size_t kLongestConfig = std::size_t{1} << 20;  // of any run: a graph and its options

std::string metrics_path(const std::string& folder) { return folder + "/metrics.jsonl"; }
std::string events_path(const std::string& folder) { return folder + "/events.out.tfevents.0.bauta"; }

// Makes the folder where there is none, and puts config.json into it.
Status begin_folder(const std::string& path, const std::string& config_json) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return Status::error("cannot make the folder: " + error.message(), path, "choose another --out");
  }
  return write_file(config_path(path), nlohmann::ordered_json::parse(config_json).dump(2) + "\n");
}

// Whether there is nothing in the folder but what a run may have left that was killed at once.
bool is_unused(const std::string& path, std::error_code& error) {
  const fs::directory_iterator entries(path, error);
  const std::string left = config_path(path) + ".tmp";
  return std::all_of(begin(entries), end(entries),
                     [&](const fs::directory_entry& entry) { return entry.path() == left; });
}

bool holds_run(const std::string& path) {
  std::error_code unused;
  return fs::exists(config_path(path), unused) || fs::exists(last_path(path), unused);
}

Status check_length(const std::string& path, std::uint64_t bytes) {
  std::error_code error;
  if (bytes == 0 || (fs::file_size(path, error) >= bytes && !error)) return {};
  return Status::error(error ? "the file is missing, and was there when the checkpoint was written"
                             : "the file is shorter than when the checkpoint was written",
                       path, "put the whole folder back from where it was copied");
}

// Fails where the run's checkpoint has been taken away, with more than the one epoch that a run which is
// killed before its first can have ended: they would be lost.
Status check_checkpoint(const std::string& path) {
  std::error_code unused;
  if (fs::exists(last_path(path), unused)) return {};
  const auto metrics = MappedFile::open(metrics_path(path));
  if (!metrics.ok()) return {};
  const std::string_view text = metrics->text();
  int epochs = 0;
  for (auto at = text.find(kEpochMark); at != std::string_view::npos; at = text.find(kEpochMark, at + 1))
    ++epochs;
  if (epochs < 2) return {};
  return Status::usage(
      "the checkpoint is missing, of a run that has done " + std::to_string(epochs) + " epochs",
      last_path(path), "put it back, or train its best weights further by --init with another --out");
}

// Has the run's folder be this process's alone, until it closes its metrics.jsonl or ends.
Status lock(std::FILE* metrics, const std::string& path) {
  if (lock_file(fileno(metrics))) return {};
  return Status::error("another process is training this run", path,
                       "wait until it ends, or choose another --out");
}

// The run's metrics.jsonl, as it is, or made, locked.
Result<FilePointer> take_metrics(const std::string& path) {
  FilePointer metrics(std::fopen(metrics_path(path).c_str(), "abe"));
  if (!metrics) return file_error("open", metrics_path(path));
  BAUTA_TRY(lock(metrics.get(), path));
  return metrics;
}

// Fails where another process has the folder now.
Status check_free(const std::string& path) {
  const FilePointer metrics(std::fopen(metrics_path(path).c_str(), "re"));
  return metrics ? lock(metrics.get(), path) : Status();
}

// Whether files and folders can be made in the folder, or in the one around it that is there.
Status check_writable(const std::string& path) {
  std::error_code error;
  fs::path there = fs::absolute(path, error);
  while (!there.empty() && !fs::exists(there, error) && there.has_relative_path())
    there = there.parent_path();
  const bool folder = fs::is_directory(there, error);
  if (folder && ::access(there.c_str(), W_OK | X_OK) == 0) return {};
  errno = folder ? errno : ENOTDIR;
  return file_error("write", there.native());
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Result<std::string> read_config(const std::string& folder) {
  return read_file(config_path(folder), kLongestConfig);
}

Status RunFolder::check(const std::string& path, bool resume) {
  BAUTA_TRY(check_writable(path));
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  const bool unused = is_unused(path, error);
  if (error) return Status::error("cannot read the folder: " + error.message(), path, "choose another --out");
  if (unused) return {};
  if (resume && holds_run(path)) {
    BAUTA_TRY(check_checkpoint(path));
    return check_free(path);
  }
  if (resume) {
    return Status::usage("the folder holds no run to go on with, but something else", path,
                         "choose another --out");
  }
  return Status::usage("the folder is not empty", path,
                       holds_run(path) ? "go on with the run in it by --resume, or choose another --out"
                                       : "choose another --out");
}

Result<RunFolder> RunFolder::create(const std::string& path, const std::string& config_json) {
  BAUTA_TRY(check(path, /*resume=*/false));
  BAUTA_TRY(begin_folder(path, config_json));
  auto metrics = take_metrics(path);
  if (!metrics.ok()) return metrics.status();
  auto events = EventFile::create(events_path(path));
  if (!events.ok()) return events.status();
  return RunFolder(path, std::move(*metrics), 0, std::move(*events));
}

Result<RunFolder> RunFolder::reopen(const std::string& path, const std::string& config_json,
                                    std::uint64_t metrics_bytes, std::uint64_t events_bytes) {
  BAUTA_TRY(check(path, /*resume=*/true));
  BAUTA_TRY(check_length(metrics_path(path), metrics_bytes));
  BAUTA_TRY(check_length(events_path(path), events_bytes));
  if (!holds_run(path)) BAUTA_TRY(begin_folder(path, config_json));
  auto metrics = take_metrics(path);
  if (!metrics.ok()) return metrics.status();
  BAUTA_TRY(begin_folder(path, config_json));  // a larger --epochs
  if (ftruncate(fileno(metrics->get()), static_cast<off_t>(metrics_bytes)) != 0) {
    return file_error("shorten", metrics_path(path));
  }
  // No checkpoint yet: the event file, if any, begins anew with its header.
  auto events = events_bytes == 0 ? EventFile::create(events_path(path))
                                  : EventFile::append(events_path(path), events_bytes);
  if (!events.ok()) return events.status();
  return RunFolder(path, std::move(*metrics), metrics_bytes, std::move(*events));
}

Status RunFolder::line(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), metrics_.get()) != text.size()) {
    return file_error("write", metrics_path(path_));
  }
  metrics_bytes_ += text.size();
  return {};
}

Status RunFolder::step(std::int64_t step, int epoch, double loss, float lr) {
  BAUTA_TRY(line(fmt::format("{{\"step\": {}, \"epoch\": {}, \"loss\": {:.9g}, \"lr\": {:.9g}}}\n", step,
                             epoch, loss, lr)));
  const double time = now();
  BAUTA_TRY(events_.scalar("step_loss", step, static_cast<float>(loss), time));
  return events_.scalar("lr", step, lr, time);
}

Status RunFolder::epoch(const EpochMetrics& m) {
  std::string text =
      fmt::format("{{\"epoch\": {}, \"step\": {}, \"train_loss\": {:.9g}, ", m.epoch, m.step, m.train_loss);
  if (m.validated) {
    text += fmt::format(
        "\"val_loss\": {:.9g}, \"val_acc\": {:.9g}, \"precision\": {:.9g}, \"recall\": {:.9g}, \"f1\": "
        "{:.9g}, ",
        m.val_loss, m.val_acc, m.precision, m.recall, m.f1);
  }
  text +=
      fmt::format("\"seconds\": {:.3f}, \"images_per_second\": {:.1f}}}\n", m.seconds, m.images_per_second);
  BAUTA_TRY(line(text));
  const auto curve = [&, time = now()](const char* tag, double value) {
    return events_.scalar(tag, m.epoch, static_cast<float>(value), time);
  };
  BAUTA_TRY(curve("train_loss", m.train_loss));
  BAUTA_TRY(curve("images_per_second", m.images_per_second));
  if (!m.validated) return {};
  BAUTA_TRY(curve("val_loss", m.val_loss));
  BAUTA_TRY(curve("val_acc", m.val_acc));
  BAUTA_TRY(curve("precision", m.precision));
  BAUTA_TRY(curve("recall", m.recall));
  return curve("f1", m.f1);
}

Status RunFolder::flush() {
  if (std::fflush(metrics_.get()) != 0 || fsync(fileno(metrics_.get())) != 0) {
    return file_error("write", metrics_path(path_));
  }
  return events_.flush();
}

}  // namespace bauta
