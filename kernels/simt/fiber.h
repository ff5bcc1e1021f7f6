#pragma once

#include <cstddef>

namespace bauta::simt::runtime {

/// A flow of control with a stack of its own, run by hand on the thread that enters it. Switching costs a few
/// nanoseconds: a dozen registers pushed and popped. The address and thread sanitizers are told of every
/// switch.
class Fiber {
 public:
  static constexpr std::size_t kStackBytes = 64 * 1024;  ///< and a page below that faults when it is touched

  /// A fiber that begins with main(argument) when it is first entered. main never returns. Aborts if there is
  /// no memory for a stack.
  Fiber(void (*main)(void*), void* argument);
  /// Gives the stack up, wherever the fiber stands: nothing on it is destroyed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Goes on in the fiber; returns when it leaves. Always to be called from the same thread.
  void enter();
  /// Called in the fiber: goes back to who entered it; returns when it is entered again.
  void leave();

 private:
  static void begin();

  void (*main_)(void*);
  void* argument_;
  std::byte* mapping_;
  std::byte* stack_;                // its lowest byte
  void* stack_pointer_;             // where the fiber stands while it is left
  void* caller_pointer_ = nullptr;  // where its caller stands while it runs
  // What the sanitizers keep per stack.
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  std::size_t caller_bytes_ = 0;
  void* tsan_fiber_ = nullptr;
  void* tsan_caller_ = nullptr;
};

}  // namespace bauta::simt::runtime
