#pragma once

#include <string>

namespace bauta {

/// What a launcher (mpirun, srun) says of the processes that it started; a process by itself is 0 of 1.
struct World {
  int rank = 0;
  int size = 1;
  /// What starts as many again: "mpirun -np 2", "srun --mpi=pmix -n 2"; empty: nothing did.
  std::string launcher;
  bool can_meet = true;  ///< the launcher lets the processes find each other
};

/// Reads the launcher's environment variables.
World launched_world();

}  // namespace bauta
