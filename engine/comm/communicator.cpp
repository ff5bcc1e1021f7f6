#include "engine/comm/communicator.h"

#include <unistd.h>

#include <array>

#include "engine/comm/mpi.h"
#include "engine/comm/peers.h"
#include "engine/comm/world.h"

namespace bauta {
namespace {

class Alone final : public Communicator {
 public:
  Alone() : Communicator(0, {host_name()}) {}

  void start_sum(std::span<float>, const Context&) override {}
  void start_sum(std::span<double>) override {}
  Status finish() override { return {}; }
  Status broadcast(std::span<std::byte>) override { return {}; }
  Result<std::vector<std::string>> all_gather(const std::string& mine) override { return std::vector{mine}; }
};

}  // namespace

std::string Communicator::name_of(int rank) const {
  return "rank " + std::to_string(rank) + " on host " + hosts_[static_cast<std::size_t>(rank)];
}

Communicator& alone() {
  static Alone communicator;
  return communicator;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

Result<std::unique_ptr<Communicator>> open_communicator() {
  const World world = launched_world();
  if (world.size == 1) return std::unique_ptr<Communicator>(std::make_unique<Alone>());
  if (!world.connections.empty()) {
    std::vector<FileDescriptor> connections;
    for (const int connection : world.connections) connections.emplace_back(connection);
    return open_peers(world.rank, std::move(connections));
  }
  if (world.can_meet) return open_mpi(world);
  return Status::usage(std::to_string(world.size) + " processes were started that cannot find each other",
                       world.launcher, "use Open MPI's mpirun, or srun --mpi=pmix");
}

Result<bool> on_any_rank(Communicator& communicator, bool mine) {
  double ranks = mine ? 1 : 0;
  communicator.start_sum(std::span(&ranks, 1));
  BAUTA_TRY(communicator.finish());
  return ranks > 0;
}

Status agree(Communicator& communicator, const Status& mine) {
  const std::string kind = mine.ok() ? "" : mine.is_usage() ? "u" : mine.is_fault() ? "f" : "e";
  const auto all = communicator.all_gather(kind + mine.message());
  if (!all.ok()) return all.status();
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const std::string& told = (*all)[static_cast<std::size_t>(rank)];
    if (told.empty()) continue;
    const std::string message = (rank == 0 ? "" : communicator.name_of(rank) + ": ") + told.substr(1);
    if (told.front() == 'u') return Status::usage(message);
    return told.front() == 'f' ? Status::fault(message) : Status::error(message);
  }
  return {};
}

}  // namespace bauta
