#pragma once

#include <span>
#include <string>

#include "engine/data/dataset.h"
#include "optim/predict.h"

namespace bauta {

/// Fails where something is at `path` that write_predictions_table should not replace: anything but such a
/// table.
Status check_predictions_table(const std::string& path);

/// Writes what a network says of these samples as a CSV file: path,label,predicted,confidence, and the
/// probability of each class as p_CLASS. Whole or not at all.
Status write_predictions_table(const std::string& path, const Dataset&, std::span<const int> samples,
                               const Predictions&);

}  // namespace bauta
