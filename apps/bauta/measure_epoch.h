#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "apps/bauta/machine.h"
#include "engine/comm/communicator.h"

namespace bauta {

/// What is measured of an epoch.
struct EpochPlan {
  int train_images = 0;  ///< of the whole epoch
  int val_images = 0;
  int batch = 32;                           ///< of all ranks together
  int steps = 0;                            ///< training steps to measure; 0: as many as take about 10 s
  bool full = false;                        ///< all of the epoch
  std::vector<int> parts;                   ///< images of a rank's part, for the steps without sums
  const std::atomic<bool>* stop = nullptr;  ///< set on any rank: nothing more is measured
};

/// What an epoch takes, by its parts. All times are in seconds.
struct EpochMeasurement {
  std::string device;  ///< Machine::description()
  int ranks = 1;
  int threads = 1;          ///< of each rank
  int steps = 0;            ///< that were measured; 0: EpochPlan::stop was set, and nothing else counts
  int val_images = 0;       ///< that were measured
  double step = 0;          ///< a training step, with its batch from the loader
  double fastest_step = 0;  ///< in the round that was disturbed least
  double waited = 0;        ///< of a step, while the rank does nothing but wait for sums
  double window = 0;        ///< of a step, from when the first gradients are final until all are
  double val_image = 0;     ///< an image of the validation
  double sum = 0;           ///< a sum of all gradients by itself; 0 with one rank
  double hop = 0;           ///< a sum of one number
  std::size_t gradient_bytes = 0;
  std::size_t last_bytes = 0;     ///< of them, those that are final last
  std::map<int, double> compute;  ///< a step of one rank on so many images in memory, without sums
};

/// Trains and validates the study's network on random images that lie in memory, as train() does, without
/// writing a run. Collective; progress of rank 0 is on stderr.
Result<EpochMeasurement> measure_epoch(const Machine&, Communicator&, const EpochPlan&);

}  // namespace bauta
