#pragma once

namespace bauta {

/// What a launch is said to cost: computed where it is launched, by the formulas of the kernel's comment.
/// simt keeps it beside its counts, which `bauta bench kernels` and a test hold against it; nothing else
/// reads it.
struct Work {
  /// Bytes in the sectors of global memory that the warps' accesses touch; 0: nothing is said.
  double moved = 0;
  /// Bytes that have to be moved: every input once, every output once.
  double floor = 0;
  double multiply_adds = 0;
};

}  // namespace bauta
