#pragma once

#include <string>

#include "engine/data/dataset.h"
#include "layers/model.h"
#include "optim/train_options.h"

namespace bauta {

/// Everything that a run's result depends on, as one line of JSON: the options, the network's graph and
/// classes, and the data set's fingerprint. What may change between a run and its resumption (threads,
/// save_every) is left out.
std::string run_config(const Model&, const Dataset&, const TrainOptions&);

/// Fails, naming the option and both values, where the run that `kept` describes cannot go on as `wanted`:
/// everything must be equal but `epochs`, which may grow, though not under a cosine schedule, which it would
/// bend. `path` is where `kept` was read.
Status check_resumable(const std::string& kept, const std::string& wanted, const std::string& path);

}  // namespace bauta
