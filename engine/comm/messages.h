#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "engine/comm/communicator.h"

namespace bauta {

/// Messages between pairs of ranks: what a communicator needs of MPI, or of sockets. All calls come from one
/// thread.
class Messages {
 public:
  struct Place {
    int rank = 0;
    int size = 1;
  };

  virtual ~Messages() = default;
  /// The first call: finds the other ranks.
  virtual Result<Place> open() = 0;
  /// Sends `out` to a rank and receives `in` from it, at once; the partner's call has the same sizes the
  /// other way round, at most 4 MiB, and either may be empty. Fails where the partner is gone.
  virtual Status exchange(int partner, std::span<const std::byte> out, std::span<std::byte> in) = 0;
  /// The last call, unless one before it failed.
  virtual void close() {}
};

/// A communicator that is made of such messages. They move in a thread of its own, while the caller computes.
Result<std::unique_ptr<Communicator>> communicate_by(std::unique_ptr<Messages>);

}  // namespace bauta
