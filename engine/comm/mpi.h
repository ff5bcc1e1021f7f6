#pragma once

#include <memory>

#include "engine/comm/communicator.h"
#include "engine/comm/world.h"

namespace bauta {

/// Whether this build has MPI.
bool has_mpi();

/// A communicator over MPI_COMM_WORLD. All of MPI happens in one thread of its own, which sleeps between
/// looks at its messages. At most one in a program's life. Fails in a build without MPI.
Result<std::unique_ptr<Communicator>> open_mpi(const World&);

}  // namespace bauta
