#pragma once

#include "kernels/peak/peak.h"

namespace bauta {

/// The loops that measure_* time.
struct PeakBackend {
  /// `rounds` multiply-adds in each of several chains, 2·rounds·lanes operations; returns their sum, to be
  /// kept alive.
  float (*multiply_add)(Index rounds, float seed);
  int lanes;  ///< chains times the floats of a vector
  /// a[i] = b[i] + s·c[i].
  void (*triad)(const Context&, Index size, float* a, const float* b, float s, const float* c);
};
BAUTA_DECLARE_ISA_BACKENDS(PeakBackend, peak_backend)

}  // namespace bauta
