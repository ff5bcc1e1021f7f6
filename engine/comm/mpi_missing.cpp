#include "engine/comm/mpi.h"

namespace bauta {

bool has_mpi() { return false; }

Result<std::unique_ptr<Communicator>> open_mpi(const World& world) {
  return Status::error(
      world.launcher + " started " + std::to_string(world.size) + " processes, and this build has no MPI",
      "bauta", "install libopenmpi-dev and openmpi-bin, and build with -DBAUTA_MPI=ON");
}

}  // namespace bauta
