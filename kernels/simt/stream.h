#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "kernels/status.h"

namespace bauta::simt::runtime {

/// Work in an order of its own: what Context::stream points to under simt, where it is not null. It is done
/// as late as is allowed, when somebody waits for it, while what is in no Stream is done at once. So work
/// that ought to wait for this, and does not, finds it undone, and work that overwrites what this reads comes
/// first: what a GPU may do now and then happens here every time.
class Stream {
 public:
  using Job = std::function<Status()>;

  /// Does each job at once if it is `hasty`: what a GPU may do, too.
  explicit Stream(bool hasty = false) : hasty_(hasty) {}

  void put(Job job);
  /// Jobs that were ever put.
  std::int64_t size() const { return done_ + static_cast<std::int64_t>(jobs_.size()); }
  /// Does the jobs that were put when size() was `end`, unless they are done. Fails with the first that did,
  /// now or before.
  Status run(std::int64_t end);

 private:
  std::deque<Job> jobs_;  // those that are not done
  std::int64_t done_ = 0;
  Status failure_;
  bool hasty_;
};

/// Whether Streams that this thread makes from now on, of StreamPriority::low, are hasty: for tests of
/// what must not be done too early.
inline thread_local bool hasty_low_priority = false;

}  // namespace bauta::simt::runtime
