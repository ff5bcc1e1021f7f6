#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/work.h"
#include "kernels/simt/counts.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/log.h"
#include "kernels/simt/shadow.h"
#include "kernels/simt/types.h"

namespace bauta::simt::runtime {

class Block;

/// How the threads of a launch are arranged, and what it is called.
struct Shape {
  std::string kernel;
  dim3 grid;
  dim3 block;
  std::size_t dynamic_shared = 0;  ///< bytes
  Work work = {};
};

/// Does at once what the lanes of `mask` met for; lanes[l] is what lane l brought.
using Together = void (*)(void* const* lanes, unsigned mask);

/// A cp.async that has not been waited for.
struct AsyncCopy {
  SharedArray* array;
  std::size_t offset;
  unsigned bytes;
  unsigned group;  ///< of those that the thread commits
  Where where;
  alignas(16) std::byte data[16];
};

/// One CUDA thread of the running block.
struct Thread {
  enum class State { ready, at_barrier, at_group_barrier, in_meeting, done };

  Block* block;
  dim3 index;  ///< threadIdx
  int number;  ///< in the block
  int warp, lane;

  State state = State::ready;
  Where where;        ///< at which it waits
  unsigned mask = 0;  ///< in a meeting: of the lanes that it waits for, to do `together` with their arguments
  Together together = nullptr;
  void* argument = nullptr;

  std::uint32_t group_epoch = 0;            ///< barriers of its group that it has passed
  std::uint32_t stamp = 1;                  ///< this thread's accesses since its last warp barrier carry it
  std::array<std::uint32_t, 32> seen = {};  ///< accesses of the warp's lanes up to this stamp came before now

  std::vector<AsyncCopy> copies;
  unsigned group = 0;  ///< that of the next cp.async
};

/// One block: its threads, in turn, each running until it has to wait for others. Always in the same order,
/// so that a run can be repeated.
class Block {
 public:
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs the kernel's block `index` on the calling thread. Faults are added to `faults`. Counts accesses if
  /// `counts` is not null.
  void run(const Shape& shape, dim3 index, const std::function<void()>& kernel, Counts* counts,
           std::vector<Fault>& faults);

  /// Bytes of shared arrays that the kernel declares and the last block used.
  std::size_t static_shared() const { return static_shared_; }

  // What follows is for the kernel's threads.

  const Shape& shape() const { return *shape_; }
  dim3 index() const { return index_; }
  std::uint32_t epoch() const { return epoch_; }
  /// The group of sync_group that a thread is of: threadIdx.x alone tells its threads apart.
  int group_of(int thread) const { return thread / static_cast<int>(shape_->block.x); }
  std::uint64_t serial() const { return serial_; }  ///< tells the blocks that one OS thread runs apart
  Counts* counts() { return counts_; }

  /// Waits for all threads of the block.
  void barrier(Thread& thread, const Where& where);
  /// Waits for all threads of the thread's group, which are whole warps.
  void group_barrier(Thread& thread, const Where& where);
  /// Waits for the lanes of `mask`, of which the thread must be one; the last to come does it for all of
  /// them.
  void meet(Thread& thread, unsigned mask, Together together, void* argument, const Where& where);

  /// A shared array that lives until the block ends.
  SharedArray* allocate(std::size_t bytes, std::size_t element_bytes);
  /// The array at `offset` of the dynamic shared memory.
  SharedArray* dynamic(Thread& thread, std::size_t offset, std::size_t bytes, std::size_t element_bytes,
                       const Where& where);

  /// Reports a fault of `thread`, which goes on. `other` is the place of the other access of a race.
  void fault(FaultKind kind, const Thread& thread, const Where& where, const std::string& what,
             const std::string& fix, const Where& other = {});
  /// A read of what was never written: a fault, unless by the next barrier it turns out to be one half of a
  /// race.
  void read_uninitialised(Cell& cell, const Thread& thread, const Where& where);
  /// "thread (1,0,0)".
  std::string name(int thread) const;

 private:
  struct UninitialisedRead {
    Cell* cell;
    int thread;
    Where where;
  };

  static void thread_main(void* block);
  Thread& thread(int number);
  void start(Thread& thread, int number);
  bool run_ready_threads();
  void wait(Thread& thread, Thread::State state, const Where& where);
  bool pass_barriers();
  bool pass_group_barriers();
  std::span<Thread> group(int number);
  void pass(std::span<Thread> threads);
  int missing_lane(const Thread& waiting);
  void report_stuck();
  void report_stuck_barrier(const Thread& waiting, std::span<const Thread> threads,
                            const std::string& barrier, const std::string& whose);
  void report_stuck_meeting(const Thread& waiting);
  void report_uninitialised_reads();
  std::string whereabouts(const Thread& thread) const;

  const Shape* shape_ = nullptr;
  dim3 index_;
  const std::function<void()>* kernel_ = nullptr;
  Counts* counts_ = nullptr;
  std::vector<Fault>* faults_ = nullptr;
  std::size_t first_fault_ = 0;  // of this block
  std::uint32_t epoch_ = 1;
  std::uint64_t serial_ = 0;
  bool stopped_ = false;
  std::size_t static_shared_ = 0;

  int count_ = 0;  // threads
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<Fiber>> fibers_;  // at least as many: kept from block to block
  std::vector<std::unique_ptr<SharedArray>> arrays_;
  std::map<std::size_t, SharedArray*> dynamic_;
  std::vector<UninitialisedRead> uninitialised_;
};

/// The CUDA thread that is running on this OS thread.
extern constinit thread_local Thread* current;

/// "kernels/linear/linear.cu:41".
std::string line(const Where& where);

/// A place in memory that a kernel may be about to access.
struct Place {
  std::byte* begin = nullptr;    ///< of the array
  std::size_t bytes = 0;         ///< of the array
  std::ptrdiff_t offset = 0;     ///< in bytes
  SharedArray* array = nullptr;  ///< null in global memory
  Where where;                   ///< that of the index, in the kernel's source
};

/// Checks and counts one access. Returns its memory, or after a fault some that may be used instead.
std::byte* access(const Place& place, Access kind, unsigned bytes, unsigned alignment);

/// A cp.async begins: `bytes` from global memory, or zeros where they are not `valid`.
void begin_copy(const Place& shared, const Place& global, unsigned bytes, bool valid);
void commit_copies();
/// Waits for all but the last `pending` groups.
void wait_copies(unsigned pending);

/// Lets accesses of the warp's lanes in `mask` come before whatever they do next: what __syncwarp means.
void sync_warp(unsigned mask, const Where& where);

}  // namespace bauta::simt::runtime
