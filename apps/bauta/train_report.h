#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apps/bauta/terminal.h"
#include "optim/trainer.h"

namespace bauta {

/// Shows a person how a training run goes: a progress bar on stderr, a line per epoch on stdout.
class TrainReport : public TrainObserver {
 public:
  /// What it is given outlives it.
  TrainReport(const TrainOptions& options, const Dataset& data, const Model& model)
      : options_(options), data_(data), model_(model) {}

  void on_start(const RunStart& start) override;
  void on_step(const StepReport& step) override;
  void on_validation(int done, int images) override;
  void on_epoch(const EpochReport& epoch) override;

  /// Takes the progress bar away.
  void finish() { bar_.reset(); }
  /// The closing lines of a run that came to its end.
  void print_result(const TrainResult& result) const;

 private:
  std::string epoch_label(int epoch) const;

  const TrainOptions& options_;
  const Dataset& data_;
  const Model& model_;
  int batches_per_epoch_ = 0;
  std::int64_t steps_done_ = 0;  // after which the run went on
  int bar_epoch_ = 0;            // the epoch that the bar is about; 0: no bar, or one about validation
  std::int64_t bar_images_ = 0;  // trained on since the bar was made
  std::optional<Progress> bar_;
};

/// Warnings of the opening of a data set: printed as they come, the last of them once more when the run ends.
class DataWarnings {
 public:
  void add(std::string_view line) {
    print_warning(line);
    last_ = line;
  }
  void repeat_last() const {
    if (!last_.empty()) print_warning(last_);
  }

 private:
  std::string last_;
};

}  // namespace bauta
