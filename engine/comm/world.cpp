#include "engine/comm/world.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "engine/comm/peers.h"

namespace bauta {
namespace {

// The number in an environment variable; -1 without.
int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  int value = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

// The numbers in kPeersVariable: this rank, then a descriptor for each rank.
std::vector<int> peers() {
  const char* text = std::getenv(kPeersVariable);
  std::istringstream words(text == nullptr ? "" : text);
  std::vector<int> numbers;
  for (int number = 0; words >> number;) numbers.push_back(number);
  return numbers;
}

}  // namespace

World launched_world() {
  if (const std::vector<int> numbers = peers(); numbers.size() > 1) {
    const std::string size = std::to_string(numbers.size() - 1);
    World world{numbers.front(), static_cast<int>(numbers.size()) - 1, "bauta train --devices " + size};
    world.connections.assign(numbers.begin() + 1, numbers.end());
    return world;
  }
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

Status check_gpus_for_ranks(int ranks, int gpus, bool has_nccl) {
  const std::string where = "--devices " + std::to_string(ranks);
  if (gpus < ranks) {
    const std::string there = gpus == 1 ? "is 1 GPU" : "are " + std::to_string(gpus) + " GPUs";
    return Status::error("there " + there + " for " + std::to_string(ranks) + " ranks", where,
                         "use --devices " + std::to_string(gpus) + ", or --device cpu");
  }
  if (has_nccl) return {};
  return Status::error(
      "this build has no NCCL, by which GPUs add up their gradients", where,
      "install libnccl-dev and build with -DBAUTA_NCCL=ON, or use --devices 1, or --device cpu");
}

}  // namespace bauta
