#pragma once

#include <optional>
#include <string>

#include "optim/checkpoint.h"
#include "optim/run_folder.h"
#include "optim/training_step.h"

namespace bauta {

/// Where a run stands: what its checkpoint says, and the folder that it goes on writing.
struct OpenRun {
  TrainingState state;
  std::optional<RunFolder> folder;  ///< on rank 0 alone
  std::string computed_by;          ///< other_computer() of the steps that are done
};

/// Begins a run with this run_config() in the folder `out`; or, to `resume`, goes on with the one in there if
/// there is one: then the step gets its checkpoint's weights and optimiser state. Fails where RunFolder does,
/// where that run was started otherwise, and where something of it is missing.
Result<OpenRun> open_run(const std::string& out, bool resume, const std::string& config, TrainingStep&);

}  // namespace bauta
