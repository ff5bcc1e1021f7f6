#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/augment.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

namespace bauta {

/// How class weights are chosen.
struct ClassWeights {
  enum class Kind {
    balanced,  ///< N/(K·n_c) from the training split
    none,      ///< 1 for every class
    given,     ///< `values`
  };
  Kind kind = Kind::balanced;
  std::vector<float> values;  ///< one per class, for Kind::given

  bool operator==(const ClassWeights&) const = default;
};

/// What a training run is made of. The defaults are the study's.
struct TrainOptions {
  std::string out;  ///< the folder RUN that the run writes
  int epochs = 10;  ///< at least 1
  int batch = 32;   ///< samples of a global batch
  float lr = 1e-5F;
  std::optional<double> val;  ///< the part of the data that validates, in [0, 1); see split_dataset
  std::uint64_t seed = 0;     ///< of initial weights, split, order and augmentation
  ClassWeights class_weights;
  Augment augment = Augment::none;
  Schedule schedule = Schedule::constant;
  OptimizerOptions optimizer;
  bool shuffle = true;
  std::string init;             ///< a file of weights to start from; empty: from the seed
  std::int64_t max_steps = 0;   ///< ends the run after that many steps as at an epoch's end; 0: no limit
  std::int64_t save_every = 0;  ///< steps between checkpoints; 0: at the end of each epoch alone
  bool resume = false;          ///< goes on from RUN's last checkpoint; without one, starts afresh
  bool stream = false;  ///< a device's memory gets one batch of images after another, not the whole data set
  int workers = 4;      ///< threads that prepare batches; the context's pool computes
  /// Asks the run to stop at the next step, with a checkpoint; may be null. A signal handler can set it.
  const std::atomic<bool>* stop = nullptr;
};

}  // namespace bauta
