#pragma once

#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// Who starts the ranks of a run on this host, and what they talk over.
enum class Launcher {
  mpirun,  ///< Open MPI's; MPI
  bauta,   ///< this process; connections that they inherit
};

/// Ranks that one host's run has at most.
inline constexpr int kMaxRanksOfHost = 8;

/// Fails, naming `option`, where this build cannot have ranks on CPUs.
Status check_mpi(const std::string& option);

/// Runs this program's command line, `args`, as `ranks` processes on this host, which share the cores that
/// this process may use, and waits for their end. The result is the exit code. `resume`: the command to go on
/// with after a fault. Fails where mpirun is wanted and MPI is not in this build, or there is no mpirun.
Result<int> launch_ranks(int ranks, Launcher, const std::vector<std::string>& args,
                         const std::string& resume);

/// Whether a signal has asked ranks of launch_ranks to stop.
bool ranks_were_stopped();

}  // namespace bauta
