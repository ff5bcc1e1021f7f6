#pragma once

#include <memory>

#include "engine/comm/communicator.h"
#include "engine/comm/world.h"

namespace bauta {

/// Whether this build has MPI.
bool has_mpi();

/// A communicator over MPI_COMM_WORLD. All of MPI happens in one thread of its own, which moves data while
/// the caller computes and sleeps while there is nothing to move. At most one in a program's life. Fails in a
/// build without MPI.
Result<std::unique_ptr<Communicator>> open_mpi(const World&);

}  // namespace bauta
