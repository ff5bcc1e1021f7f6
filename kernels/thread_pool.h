#pragma once

#include <pthread.h>

#include <atomic>
#include <type_traits>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// A fixed set of threads that share out the indices of a loop. Who computes which index is left to chance,
/// so a loop body must write only what belongs to its index: results then do not depend on the number of
/// threads.
class ThreadPool {
 public:
  /// `threads` >= 1 counts the calling thread: ThreadPool(1) starts none. Where the system gives fewer, the
  /// pool has these, and status() is a failure.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Whether all the threads that were asked for are there.
  const Status& status() const { return status_; }
  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(index, thread) once for every index in [0, count), in no set order, and returns when all are
  /// done. `thread` is in [0, size()): no two calls with the same `thread` overlap, so it can name scratch
  /// space. One caller at a time; a body must not call the pool again.
  template <class Body>
  void parallel_for(int count, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        count, [](void* b, int index, int thread) { (*static_cast<Plain*>(b))(index, thread); },
        const_cast<std::remove_const_t<Plain>*>(&body));
  }

 private:
  using Task = void (*)(void* body, int index, int thread);

  // What a thread is started with; stays where it is.
  struct Worker {
    ThreadPool* pool;
    int thread;
    pthread_t handle;
  };

  static void* start(void* worker);
  void run(int count, Task task, void* body);
  void take_indices(int thread);
  void work(int thread);

  // The job at hand; written by run() before it advances generation_, read by the threads after they saw
  // that.
  Task task_ = nullptr;
  void* body_ = nullptr;
  int count_ = 0;

  std::atomic<int> next_{0};             // the first index that no thread has taken
  std::atomic<int> busy_{0};             // workers that have not finished with the job
  std::atomic<unsigned> generation_{0};  // counts jobs; workers wait for it to change
  std::atomic<bool> stop_{false};
  std::vector<Worker> workers_;
  Status status_;
};

}  // namespace bauta
