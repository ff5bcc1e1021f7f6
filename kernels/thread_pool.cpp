#include "kernels/thread_pool.h"

#include <string>
#include <system_error>

namespace bauta {
namespace {

// A training step is some twenty loops with microseconds between them: a worker that spins for about that
// long answers sooner than one that the operating system has to wake.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns when `value` is no longer `old`.
template <class T>
void wait_for_change(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

// Not std::thread, which throws where the system gives no more: nothing here may.
ThreadPool::ThreadPool(int threads) {
  workers_.reserve(static_cast<std::size_t>(threads));
  for (int thread = 1; thread < threads; ++thread) {
    workers_.push_back({this, thread, {}});
    const int error = ::pthread_create(&workers_.back().handle, nullptr, start, &workers_.back());
    if (error == 0) continue;
    workers_.pop_back();
    status_ = Status::error("cannot start another thread: " + std::generic_category().message(error),
                            "--threads " + std::to_string(threads),
                            "use fewer, or raise the limits of this process (ulimit -u, ulimit -v)");
    return;
  }
}

void* ThreadPool::start(void* worker) {
  const Worker& self = *static_cast<const Worker*>(worker);
  self.pool->work(self.thread);
  return nullptr;
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (const Worker& worker : workers_) ::pthread_join(worker.handle, nullptr);
}

void ThreadPool::run(int count, Task task, void* body) {
  if (workers_.empty() || count <= 1) {
    for (int index = 0; index < count; ++index) task(body, index, 0);
    return;
  }
  task_ = task;
  body_ = body;
  count_ = count;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take_indices(0);
  for (int busy = busy_.load(std::memory_order_acquire); busy != 0;
       busy = busy_.load(std::memory_order_acquire)) {
    wait_for_change(busy_, busy);
  }
}

void ThreadPool::take_indices(int thread) {
  for (int index = next_.fetch_add(1, std::memory_order_relaxed); index < count_;
       index = next_.fetch_add(1, std::memory_order_relaxed)) {
    task_(body_, index, thread);
  }
}

void ThreadPool::work(int thread) {
  unsigned seen = 0;
  while (true) {
    wait_for_change(generation_, seen);
    ++seen;  // run() does not return before every worker was here, so none can miss a job
    if (stop_.load(std::memory_order_relaxed)) return;
    take_indices(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace bauta
