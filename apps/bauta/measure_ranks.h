#pragma once

#include <string>

#include "apps/bauta/measure_epoch.h"

namespace bauta {

/// Starts `options.ranks` ranks on this host, each with `options.threads` threads (`bauta bench epoch`, which
/// comes to measure_as_rank), and measures an epoch on them. Fails where the ranks cannot be started or fail.
Result<EpochMeasurement> measure_ranks(const DeviceOptions& options, const EpochPlan&);

/// Measures an epoch as one of several ranks; rank 0 writes the measurement to `file`, as JSON. The result is
/// the program's exit code.
Result<int> measure_as_rank(DeviceOptions options, EpochPlan, const std::string& file);

}  // namespace bauta
