#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "engine/io/file.h"
#include "engine/io/tensorboard.h"
#include "kernels/status.h"

namespace bauta {

/// What one epoch came to.
struct EpochMetrics {
  int epoch = 0;  ///< from 1
  std::int64_t step = 0;
  double train_loss = 0;   ///< Σw·ℓ/Σw over the epoch's batches, as they were trained on
  bool validated = false;  ///< the rest is known
  double val_loss = 0;
  double val_acc = 0;
  double precision = 0;  ///< of the positive class, as recall and f1
  double recall = 0;
  double f1 = 0;
  double seconds = 0;            ///< training and validation
  double images_per_second = 0;  ///< trained
};

/// Where the run in a folder keeps what it was started with, its best weights, and its checkpoint.
inline std::string config_path(const std::string& folder) { return folder + "/config.json"; }
inline std::string best_path(const std::string& folder) { return folder + "/best.safetensors"; }
inline std::string last_path(const std::string& folder) { return folder + "/last.safetensors"; }

/// What the run in a folder was started with: its config.json, as it is.
Result<std::string> read_config(const std::string& folder);

/// The folder that a run writes: config.json, metrics.jsonl, a TensorBoard event file, and where its
/// checkpoints go. One process has it at a time: another that wants it meanwhile is refused.
class RunFolder {
 public:
  /// Refuses a folder that cannot be written, one with anything in it, and, to `resume`, one with anything
  /// but a run in it; creates nothing.
  static Status check(const std::string& path, bool resume);

  /// Makes the folder, or takes an empty one, and writes config.json before anything else: whenever the run
  /// is killed, the folder says whose it is. A folder with anything in it is refused.
  static Result<RunFolder> create(const std::string& path, const std::string& config_json);

  /// Goes on in a folder of a run, or begins in one that may be resumed, its metrics and events cut back to
  /// the given sizes.
  static Result<RunFolder> reopen(const std::string& path, const std::string& config_json,
                                  std::uint64_t metrics_bytes, std::uint64_t events_bytes);

  // Each adds a line to metrics.jsonl and its numbers as curves to the event file: of a step step_loss and
  // lr, by step; of an epoch all but the seconds, by epoch.
  Status step(std::int64_t step, int epoch, double loss, float lr);
  Status epoch(const EpochMetrics&);

  /// Puts all lines and events onto the disk, so that a checkpoint may count on them.
  Status flush();
  std::uint64_t metrics_bytes() const { return metrics_bytes_; }
  std::uint64_t events_bytes() const { return events_.size(); }

 private:
  RunFolder(std::string path, FilePointer metrics, std::uint64_t metrics_bytes, EventFile events)
      : path_(std::move(path)),
        metrics_(std::move(metrics)),
        metrics_bytes_(metrics_bytes),
        events_(std::move(events)) {}
  Status line(const std::string& text);

  std::string path_;
  FilePointer metrics_;
  std::uint64_t metrics_bytes_;
  EventFile events_;
};

}  // namespace bauta
