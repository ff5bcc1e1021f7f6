#pragma once

#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/comm/activity.h"
#include "kernels/common.h"

namespace bauta {

/// The ranks of a run and what they tell each other. Every call from start_sum() on is collective: all ranks
/// make the same calls in the same order, with equal sizes but for all_gather. One calling thread.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  /// Ranks, at least 1.
  int size() const { return static_cast<int>(hosts_.size()); }
  /// Whether this rank is the one that prints and writes files.
  bool leads() const { return rank_ == 0; }
  /// [size()] the name of each rank's host.
  const std::vector<std::string>& hosts() const { return hosts_; }
  /// "rank 1 on host a".
  std::string name_of(int rank) const;

  /// What the calling thread is at.
  virtual Activity& activity() { return activity_; }

  /// Whether floats are summed in the memory of GPUs (see open_nccl), else in the host's.
  virtual bool sums_on_gpus() const { return false; }

  /// Starts an all-reduce: `values` become their sum over all ranks: neighbours first, then neighbouring
  /// pairs, and so on, the same bits on every rank. They may not be touched before finish(). Sums are made in
  /// the order in which they were started, while the caller computes on. Floats are the device's, such as a
  /// graph's gradients: the sum is of what `computed`'s stream has been given to compute. On GPUs the order
  /// of adding is NCCL's, and starting a sum waits for nothing.
  virtual void start_sum(std::span<float> values, const Context& computed) = 0;
  virtual void start_sum(std::span<double> values) = 0;  ///< in the host's memory
  /// Waits for all sums that were started; on GPUs the context's stream waits for those of floats, and the
  /// caller does not. A sum that cannot be made is told here, or by the next finish().
  virtual Status finish() = 0;

  /// Replaces `bytes` by rank 0's.
  virtual Status broadcast(std::span<std::byte> bytes) = 0;
  /// Every rank's `mine`, in the order of ranks; any lengths.
  virtual Result<std::vector<std::string>> all_gather(const std::string& mine) = 0;

  /// The last call, which destroying makes, too: may wait until all ranks have come to it.
  virtual void close() {}

 protected:
  Communicator(int rank, std::vector<std::string> hosts) : rank_(rank), hosts_(std::move(hosts)) {}
  /// For those who learn it from what they open.
  void set_world(int rank, std::vector<std::string> hosts) {
    rank_ = rank;
    hosts_ = std::move(hosts);
  }

 private:
  int rank_;
  std::vector<std::string> hosts_;
  Activity activity_;
};

/// A process by itself, rank 0 of 1; every call is nothing to do.
Communicator& alone();

/// The communicator of the world that this process was started in: alone(), one between the processes of
/// bauta train --devices, or, where mpirun or srun started several, one over MPI. At most one in a program's
/// life. Fails where this build has no MPI, or the launcher gave the processes no way to find each other.
Result<std::unique_ptr<Communicator>> open_communicator();

/// This machine's name.
std::string host_name();

/// Rank 0's array.
template <class T>
Status broadcast(Communicator& communicator, std::span<T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return communicator.broadcast(std::as_writable_bytes(values));
}

/// Whether any rank says yes, the same on all ranks.
Result<bool> on_any_rank(Communicator&, bool mine);

/// Whether all went well on every rank: the first failure in the order of ranks, with the rank's name unless
/// it is rank 0, the same on all ranks.
Status agree(Communicator&, const Status& mine);

}  // namespace bauta
