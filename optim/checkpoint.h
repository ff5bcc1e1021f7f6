#pragma once

#include <cstdint>
#include <string>

#include "layers/weights.h"
#include "optim/loss.h"
#include "optim/training_step.h"

namespace bauta {

/// Where a run stands: with the weights and the optimiser's state, all that the rest of it depends on.
struct TrainingState {
  std::int64_t step = 0;    ///< steps done
  int epoch = 0;            ///< epochs done
  int batch = 0;            ///< batches done of the epoch that is under way
  WeightedLoss epoch_loss;  ///< of those batches
  double best_val_acc = -1;
  int best_epoch = 0;               ///< counted from 1; 0: none
  bool ended_early = false;         ///< the limit on steps was reached
  double seconds = 0;               ///< spent in the epoch that is under way
  std::uint64_t metrics_bytes = 0;  ///< of metrics.jsonl that belong to the steps done
  std::uint64_t events_bytes = 0;   ///< of the event file likewise
};

/// Writes last.safetensors: parameters, `optimizer.<state>.<parameter>`, and as metadata the model's, the
/// run's configuration and the state. Its tensors depend on seed, data and step alone. Whole or not at all.
Status save_checkpoint(const std::string& path, TrainingStep&, const TrainingState&,
                       const std::string& config_json);

/// A checkpoint that was found.
struct Checkpoint {
  Safetensors file;
  TrainingState state;
  std::string config_json;
};

/// Opens a checkpoint and reads its metadata.
Result<Checkpoint> open_checkpoint(const std::string& path);

/// Puts the checkpoint's weights and optimiser state in place.
Status restore(const Checkpoint&, TrainingStep&);

/// Writes best.safetensors: exactly the parameters, and the metadata that let the file run alone, with
/// `extra` behind.
Status save_weights(const std::string& path, const Graph&, const Metadata& extra);

}  // namespace bauta
