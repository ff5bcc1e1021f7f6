#pragma once

#include <span>

#include "kernels/common.h"

namespace bauta {

/// Floats of the memory that launch_peak_kernels() works on: far more than any L2 holds.
inline constexpr Index kPeakFloats = Index{1} << 26;

/// Launches four kernels, each of which does one thing as fast as a GPU can, and says how much of it (see
/// Work): peak_fma (fp32 multiply-adds in registers), peak_mma (bf16 products by mma.sync, from sm_80 on),
/// peak_memory (a copy of half of `memory` to the other half) and peak_cache (reads of 16 MiB again and
/// again). With their times (LaunchTimes) these are the ceilings that other kernels are held against.
/// memory: the device's, kPeakFloats of it to measure, or another multiple of 8, at least 1,024, to see the
/// kernels run. `blocks` are those of all but the copy; so many as fill any GPU, or fewer. Without tensor
/// cores for bf16 (before sm_80) peak_mma is left out.
Status launch_peak_kernels(const Context&, std::span<float> memory, bool tensor_cores, int blocks = 2048);

/// What a backend with CUDA kernels gives for it.
struct GpuPeakBackend {
  Status (*launch)(const Context&, float* memory, Index floats, bool tensor_cores, int blocks);
};
BAUTA_DECLARE_GPU_BACKENDS(GpuPeakBackend, gpu_peak_backend)

}  // namespace bauta
