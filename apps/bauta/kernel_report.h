#pragma once

#include "apps/bauta/machine.h"
#include "apps/bauta/terminal.h"
#include "kernels/cuda/work.h"

namespace bauta {

/// What a GPU does at most, per second.
struct Ceilings {
  double memory = 0;         ///< bytes
  double cache = 0;          ///< bytes, of L2
  double multiply_adds = 0;  ///< fp32
  double products = 0;       ///< multiply-adds in bf16 on tensor cores, dense; 0: it has none
};

/// The shortest time that the ceilings leave a launch.
struct Roof {
  double seconds;
  const char* bound;  ///< by what: "memory", "cache", "fma" or "tensor cores"
};

/// The floor from memory and what else is moved from L2, or the multiply-adds, whichever takes longer.
/// `tensor`: on tensor cores.
Roof roof_of(const Work&, bool tensor, const Ceilings&);

/// What both reports of `bench kernels`, counts and times, are: the step that `launches` make up.
/// {"device", "kernels", "precision", "batch", "launches"}; more may be added.
OrderedJson kernel_report(const Machine&, int batch, OrderedJson launches);

}  // namespace bauta
