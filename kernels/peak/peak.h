#pragma once

#include "kernels/common.h"

namespace bauta {

/// What this machine can do at most with the context's ISA and threads: the yardsticks that kernels are held
/// against. Both take some tens of milliseconds, and are only as good as the machine is idle.

/// Multiplications and additions per second of independent multiply-adds that never leave the registers.
double measure_fma_peak(const Context&);

/// Bytes per second of a[i] = b[i] + s·c[i] over arrays far larger than the caches, 12 bytes an element.
/// Allocates 192 MiB for the while.                                                      (STREAM's triad)
double measure_bandwidth(const Context&);

}  // namespace bauta
