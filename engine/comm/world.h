#pragma once

#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// What a launcher (mpirun, srun, or bauta itself) says of the processes that it started; a process by itself
/// is 0 of 1.
struct World {
  int rank = 0;
  int size = 1;
  /// What starts as many again: "mpirun -np 2", "srun --mpi=pmix -n 2"; empty: nothing did.
  std::string launcher;
  bool can_meet = true;  ///< the launcher lets the processes find each other
  /// Where bauta itself started the processes: this one's connection to each of them (see peers.h); else
  /// empty.
  std::vector<int> connections = {};
};

/// Reads the launcher's environment variables.
World launched_world();

/// Whether each rank of one host can have a GPU of its own: fails where `ranks`, of which there are several,
/// are more than its `gpus`, and where the GPUs could not talk (this build has no NCCL).
Status check_gpus_for_ranks(int ranks, int gpus, bool has_nccl);

}  // namespace bauta
