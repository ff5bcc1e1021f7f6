#pragma once

#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// Runs this program's command line, `words`, as `ranks` processes on this host, started by mpirun and
/// sharing the cores that this process may use, and waits for their end. The result is the exit code.
/// `resume`: the command to go on with after a fault. Fails where MPI is not in this build or there is no
/// mpirun.
Result<int> launch_ranks(int ranks, const std::vector<std::string>& words, const std::string& resume);

}  // namespace bauta
