#pragma once

#include <array>
#include <string>
#include <vector>

#include "kernels/cuda/work.h"

namespace bauta {

/// One launch and how long a GPU took for it; or one product of a vendor's, of whose kernels no grid, block
/// and moved bytes are known: zeros.
struct LaunchTime {
  std::string kernel;
  std::array<unsigned, 3> grid;
  std::array<unsigned, 3> block;
  Work work;       ///< what the launch says of itself
  double seconds;  ///< the mean of its repeats
};

/// What launches on a GPU leave behind when Context::launch_times points to one. Each is made once, and then
/// `repeats` times over as a graph that is timed: so arrays that fit into L2 are there,
/// as they are in a training step, and results are those of one launch only where a kernel reads nothing that
/// it writes.
struct LaunchTimes {
  int repeats = 20;
  std::vector<LaunchTime> launches;
};

}  // namespace bauta
