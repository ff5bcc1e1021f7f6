#pragma once

#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "apps/bauta/measure_epoch.h"
#include "engine/data/batch_part.h"

namespace bauta {

/// An epoch at the study's scale.
inline constexpr int kTrainImages = 85'500;
inline constexpr int kValImages = 9'500;

/// One of --devices: "cuda:8".
struct Devices {
  std::string name;
  std::string device;
  int ranks = 1;
};

/// A line of the table; NaN where there is nothing to say.
struct Row {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name;
  bool measured;              ///< or projected
  std::string how;            ///< "measured, ..." or "PROJECTED, ..."
  double train = 0;           ///< seconds of an epoch
  double val = 0;             ///< seconds of an epoch
  double efficiency = kNone;  ///< of N ranks: one rank's epoch / (N · this epoch)
  double sums = kNone;        ///< seconds of a step's sums by themselves
  double waited = kNone;      ///< seconds of a step that computing does not hide

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

/// Measures an epoch on what is asked for, each once, or projects it from what is at hand.
class EpochTable {
 public:
  /// `plan`: its images and batch, and what is measured of them. `options`: kernels, precision and threads.
  EpochTable(const EpochPlan& plan, const DeviceOptions& options, std::vector<Devices> devices);

  Status fill();

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Scaling>& scaling() const { return scaling_; }
  /// What was computed on, and what was assumed.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  int train_steps() const { return (kTrainImages + plan_.batch - 1) / plan_.batch; }
  double epoch_seconds(const EpochMeasurement&) const;
  int part(int ranks) const { return largest_part(plan_.batch, ranks); }
  int threads_of(int ranks) const;
  std::string why_not_at_hand(const Devices&) const;
  Status add(const Devices&);
  Status compare(const EpochMeasurement& one, const EpochMeasurement& m);
  Status project(const Devices&, const std::string& why);
  Result<EpochMeasurement> measure(const std::string& device, int ranks, int threads);
  Result<EpochMeasurement> measure_here(const DeviceOptions&) const;

  const EpochPlan plan_;
  const DeviceOptions options_;
  const std::vector<Devices> devices_;
  int gpus_ = 0;
  std::string why_no_gpu_;
  std::map<std::tuple<std::string, int, int>, EpochMeasurement> measured_;
  std::vector<Row> rows_;
  std::vector<Scaling> scaling_;
  std::vector<std::string> notes_;
};

}  // namespace bauta
