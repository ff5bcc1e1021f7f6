#include "engine/comm/world.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace bauta {
namespace {

// The number in an environment variable; -1 without.
int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  int value = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

}  // namespace

World launched_world() {
  // Open MPI's mpirun comes first: it may have been called within a job of Slurm's. A batch script sees
  // srun's other variables, too, but is no step of several tasks. PMI is MPICH's and srun --mpi=pmi2's, which
  // Open MPI is not.
  if (const int size = number_in("OMPI_COMM_WORLD_SIZE"); size > 0) {
    return {number_in("OMPI_COMM_WORLD_RANK"), size, "mpirun -np " + std::to_string(size)};
  }
  if (const int size = number_in("SLURM_STEP_NUM_TASKS"); size > 1) {
    return {number_in("SLURM_PROCID"), size, "srun --mpi=pmix -n " + std::to_string(size),
            number_in("PMIX_RANK") >= 0};
  }
  if (const int size = number_in("PMI_SIZE"); size > 1) {
    return {number_in("PMI_RANK"), size, "mpiexec -n " + std::to_string(size), false};
  }
  return {};
}

}  // namespace bauta
