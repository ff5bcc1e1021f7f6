#include "engine/comm/mpi.h"

namespace bauta {

bool has_mpi() { return false; }

Result<std::unique_ptr<Communicator>> open_mpi(const World& world) {
  return Status::error("this build has no MPI, over which " + std::to_string(world.size) + " processes talk",
                       world.launcher,
                       "install libopenmpi-dev and openmpi-bin, and build with -DBAUTA_MPI=ON");
}

}  // namespace bauta
