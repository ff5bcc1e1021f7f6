#pragma once

#include <string>

#include "apps/bauta/machine.h"
#include "engine/data/dataset.h"
#include "layers/graph.h"
#include "layers/weights.h"
#include "optim/predict.h"

namespace bauta {

/// Options for opening a data set, with progress on stderr where it takes more than two seconds. The bar goes
/// away with the last copy of the options.
OpenOptions open_options(const Machine&, ImageSize, bool strict);

/// Opens a file of weights, and says so in one line where it has no metadata (on stderr where stdout is kept
/// for results).
Result<WeightFile> open_weights_noted(const std::string& path, bool keep_stdout);

/// Fails where the weights of the file `path` make NaN of an image.
Status check_finite(const Predictions&, const std::string& path);

/// What a weight file without metadata is taken for, in one line.
std::string bare_weights_note(const std::string& path, const Model&);

/// The network of a weight file with its weights, ready for forward on up to `max_batch` images at a time; on
/// fewer, and at least one, where they would need much memory.
Result<Graph> trained_graph(const Context&, const WeightFile&, int max_batch);

}  // namespace bauta
