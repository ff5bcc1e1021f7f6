#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "kernels/common.h"
#include "layers/model.h"
#include "optim/run_folder.h"
#include "optim/train_options.h"

namespace bauta {

/// What is known before the first step.
struct RunStart {
  int train_images = 0;
  int val_images = 0;
  std::vector<float> class_weights;
  int batches_per_epoch = 0;
  std::int64_t steps_done = 0;  ///< steps that an earlier run has done
  std::string computed_by;      ///< what did them, where it was not what goes on: bits are others from here
  std::size_t arena_bytes = 0;  ///< memory planned for parameters, activations, gradients and workspace
  bool bare_init = false;       ///< --init named a file without metadata
};

/// One step that was done.
struct StepReport {
  std::int64_t step = 0;  ///< from 1
  int epoch = 0;          ///< from 1
  int batch = 0;          ///< of the epoch, from 1
  double loss = 0;
  float lr = 0;
  int images = 0;
};

/// One epoch that was done and written.
struct EpochReport {
  EpochMetrics metrics;
  bool improved = false;     ///< best.safetensors was written
  double previous_best = 0;  ///< val_acc before, negative where there was none
  std::string best_path;
};

/// What a run came to.
struct TrainResult {
  std::int64_t steps = 0;
  double best_val_acc = -1;  ///< negative without validation
  int best_epoch = 0;
  bool stopped = false;  ///< TrainOptions::stop was set; a checkpoint was written
  std::string best_path;
  std::string last_path;
};

/// Told how a run goes, in the thread that called train(). Each does nothing unless overridden.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_start(const RunStart&) {}
  virtual void on_step(const StepReport&) {}
  virtual void on_validation(int /*done*/, int /*images*/) {}
  virtual void on_epoch(const EpochReport&) {}
};

/// Trains a network on a data set and writes the run into options.out: the one training loop.
///
/// The context says who computes, and with how many threads. RUN holds config.json, metrics.jsonl, a
/// TensorBoard event file, best.safetensors (the weights with the best val_acc, the first among equals;
/// without validation the last) and last.safetensors (with the optimiser's state and the position). Same
/// seed, data and options give the same bits, and a run that is killed at any moment and resumed gives the
/// bits of one that was not. An error leaves the checkpoints that were written as they are.
///
/// Collective: the ranks share every batch and the validation, and rank 0 alone writes. On CPUs 1, 2, 4 and 8
/// ranks give the same bits; other numbers of them, and GPUs, agree to rounding. All start from rank 0's
/// weights and state; ranks that differ in version, instruction set, options, network or data are refused by
/// name. An error may come on one rank alone; the caller then
/// ends the others (see Watch::fail).
Result<TrainResult> train(const Context&, const Model&, const Dataset&, const TrainOptions&, TrainObserver&,
                          Communicator& = alone());

/// Fails, naming the option, where one of them makes no sense whatever the data and the network are. train()
/// asks the same; a caller may ask before it opens a data set.
Status check_options(const TrainOptions&);

/// Fails where a batch has not an image for every rank.
Status check_batch(int batch, int ranks);

/// Fails, on every rank and naming the first that differs from rank 0, unless all have the same weights,
/// which are their devices', after `epoch` epochs. Collective.
Status check_same_weights(Communicator&, const Context&, std::span<const float> weights, int epoch);

}  // namespace bauta
