#pragma once

namespace bauta {

/// What a launch is said to cost: computed where it is launched, by the formulas of the kernel's comment.
/// simt keeps it beside its counts, and a launch that is timed beside its time (LaunchTime): `bauta bench
/// kernels` and a test read it, nothing else.
struct Work {
  /// Bytes in the sectors of global memory that the warps' accesses touch; 0: nothing is said.
  double moved = 0;
  /// Bytes that have to be moved: every input once, every output once.
  double floor = 0;
  double multiply_adds = 0;  ///< of the op's formula, with taps on padding and zeros; 0: none worth naming
};

}  // namespace bauta
