#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "kernels/simt/log.h"
#include "kernels/simt/types.h"

namespace bauta::simt::runtime {

/// Counts what the warps of one block ask of memory.
class Counts {
 public:
  explicit Counts(int warps) : warps_(static_cast<std::size_t>(warps)) {}

  /// One lane's access of `bytes` (at most 16) at `address`; in shared memory the address counts from bank 0.
  void note(int warp, int lane, Space space, Access access, std::uint64_t address, unsigned bytes,
            const Where& where);
  /// One lane takes its turn at a load from global memory without asking for anything: a copy that only
  /// writes zeros.
  void skip(int warp, int lane, const Where& where);
  /// Ends the requests of a warp that are under way: a barrier has been passed.
  void flush(int warp);
  /// Ends all requests and adds this block's counts to those of the launch.
  void add_to(LaunchCounts& launch);

  std::uint64_t barriers = 0;
  std::uint64_t warp_barriers = 0;
  std::uint64_t mma = 0;

 private:
  // What the lanes of a warp do at one place at one time.
  struct Request {
    std::uint32_t lanes = 0;
    std::array<std::uint64_t, 32> address;
  };
  struct Site {
    SiteCount count;
    unsigned bytes = 0;                           // of one lane's access
    std::array<std::uint32_t, 32> accesses = {};  // of each lane, since the last barrier
    std::vector<Request> requests;
  };

  Site& site_at(int warp, Space space, Access access, const Where& where);
  static void finish(Site& site);

  // A site's key is the address of what the compiler keeps about the place, and the kind of access.
  std::vector<std::unordered_map<std::uint64_t, Site>> warps_;
};

}  // namespace bauta::simt::runtime
