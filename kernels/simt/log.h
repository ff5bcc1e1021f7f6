#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/work.h"
#include "kernels/simt/types.h"
#include "kernels/status.h"

namespace bauta::simt {

enum class FaultKind {
  barrier,        ///< __syncthreads or a warp's operation that not all of its threads reached
  race,           ///< two accesses of shared memory, one of them a write, with no barrier between them; after
                  ///< several atomics only __syncthreads counts as one
  out_of_bounds,  ///< beyond the end of a shared or global array, or of a row of a shared one
  misaligned,  ///< a vector access at an address that is no multiple of its size; alignas of shared arrays is
               ///< trusted
  uninitialised,  ///< a read of shared memory that nothing was written to
  warp_mask,      ///< a lane outside its own mask, or a shuffle from a lane outside of it
  async_copy,     ///< an access of shared memory that a cp.async is still writing
};

/// One fault of a kernel. Of faults of a kind at one line (of races between the same two) every block reports
/// the first.
struct Fault {
  FaultKind kind;
  std::string kernel;
  dim3 block;   ///< blockIdx
  dim3 thread;  ///< threadIdx
  std::string file;
  unsigned line;
  unsigned other_line;  ///< of a race: the line of the access that came first; else 0
  Status status;        ///< all of it in one line
};

enum class Space { global, shared };

/// What one place in a kernel's source (one file, line and column) asked of memory. The k-th access of each
/// lane at that place since the last barrier is one request of its warp.
struct SiteCount {
  std::string file;
  unsigned line;
  unsigned column;
  Space space;
  runtime::Access access;
  std::uint64_t requests = 0;  ///< of whole warps
  std::uint64_t bytes = 0;     ///< that the lanes asked for
  /// Global memory: 32-byte sectors that the requests touch. Shared memory: passes over the 32 banks; lanes
  /// that read different words of one bank take turns (8-byte accesses go by half warps, 16-byte ones by
  /// quarters).
  std::uint64_t transactions = 0;
  std::uint64_t ideal = 0;  ///< the same if the bytes lay side by side, without conflicts
};

/// The counts of one launch, every block of it together.
struct LaunchCounts {
  std::string kernel;
  dim3 grid;
  dim3 block;
  bool beside;                      ///< in a stream of its own, beside the order in which all else is done
  Work work;                        ///< what the launch says of itself
  std::vector<SiteCount> sites;     ///< ordered by file, line, column, space and access
  std::uint64_t barriers = 0;       ///< __syncthreads, once per block, and sync_group, once per group
  std::uint64_t warp_barriers = 0;  ///< __syncwarp, once per warp
  std::uint64_t mma = 0;            ///< tensor-core instructions, once per warp

  /// Sum over the sites of one space, with one kind of access. `file`, `line` and `column` are empty.
  SiteCount total(Space space, runtime::Access access) const;
  /// Bytes in the sectors of global memory that are moved, and those in the sectors that would do.
  double moved_bytes() const;
  double ideal_bytes() const;
  /// Passes over the banks per pass that would do: 1 without conflicts, and without any access.
  double bank_conflict_degree() const;
};

/// What launches leave behind when Context::simt_log points to one. Not to be shared by launches at the same
/// time.
struct Log {
  std::vector<LaunchCounts> launches;
  std::vector<Fault> faults;
};

}  // namespace bauta::simt
