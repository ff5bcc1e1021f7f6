#pragma once

#include <array>

#include "apps/bauta/kernel_report.h"
#include "apps/bauta/machine.h"

namespace bauta {

/// What a GPU can do at most.
struct GpuPeak {
  const char* name;
  Ceilings ceilings;  ///< of the data sheet, whose FLOP/s are two per multiply-add
};

// Caches: A100, 5120 bytes a clock at 1.41 GHz (NVIDIA's A100 whitepaper); H100, as Chips and Cheese measured
// a PCIe card.
inline constexpr std::array kPeaks = {
    GpuPeak{"h100", {3.35e12, 5.5e12, 33.5e12, 495e12}},   // SXM5
    GpuPeak{"a100", {2.039e12, 7.2e12, 9.75e12, 156e12}},  // SXM4, 80 GB
};

/// Counts under simt the memory traffic of every launch of one training step of the study's network, and
/// prints it beside the launch's own formula (its model) and the roof that follows on `gpu`. The machine's
/// device is simt. The exit code is the program's.
Result<int> count_kernels(const Machine&, int batch, const GpuPeak& gpu, bool json);

}  // namespace bauta
