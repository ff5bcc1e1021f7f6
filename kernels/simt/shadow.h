#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/simt/types.h"

namespace bauta::simt::runtime {

struct Thread;

/// An access, and when it was: `epoch` counts the block's barriers, `group_epoch` those of the thread's
/// group, `stamp` the thread's warp barriers.
struct Moment {
  std::uint32_t epoch = 0;  ///< 0: never
  std::uint32_t group_epoch = 0;
  std::uint32_t stamp = 0;
  int thread = -1;
  Where where;
};

/// What is known of one element of a shared array.
struct Cell {
  Moment write;             // the last one
  Moment read;              // since that; of several readers the last, with the greatest numbers
  std::uint32_t lanes = 0;  // the readers, if all are of one warp
  bool several_warps = false;
  bool several_groups = false;
  bool atomic = false;           // the last write was an atomic
  bool several_atomics = false;  // and others happened at the same time
  bool copying = false;          // a cp.async is on its way here
  bool raced = false;
};

/// One shared array of the running block. Its memory starts out as NaNs.
class SharedArray {
 public:
  /// `offset`: of the array in the shared memory; its address is the same modulo 128.
  SharedArray(std::size_t bytes, std::size_t element_bytes, std::size_t offset = 0);

  std::byte* data() { return lines_.front().bytes + begin_; }
  std::size_t bytes() const { return bytes_; }

  /// Checks an access of `count` bytes at `offset` against what is known of them, and notes it.
  void access(Thread& thread, Access kind, std::size_t offset, std::size_t count, const Where& where);
  /// The same for the two ends of a cp.async: from when it is issued until it is waited for.
  void begin_copy(Thread& thread, std::size_t offset, std::size_t count, const Where& where);
  void end_copy(Thread& thread, std::size_t offset, const std::byte* from, std::size_t count,
                const Where& where);

 private:
  struct alignas(128) Line {  // begins at the first bank
    std::byte bytes[128];
  };

  template <class Action>
  void for_cells(std::size_t offset, std::size_t count, Action&& action);

  std::size_t bytes_;
  std::size_t element_bytes_;
  std::size_t begin_;
  std::vector<Line> lines_;
  std::vector<Cell> cells_;
};

}  // namespace bauta::simt::runtime
