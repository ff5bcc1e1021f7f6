#include "kernels/peak/gpu_peak.h"

namespace bauta {

Status launch_peak_kernels(const Context& context, std::span<float> memory, bool tensor_cores, int blocks) {
  const GpuPeakBackend* backend = context.backend == Backend::cuda   ? &cuda::gpu_peak_backend
                                  : context.backend == Backend::simt ? &simt::gpu_peak_backend
                                                                     : nullptr;
  if (backend != nullptr)
    return backend->launch(context, memory.data(), std::ssize(memory), tensor_cores, blocks);
  return Status::error("this backend has no kernels that measure a GPU", {}, "use --device cuda");
}

}  // namespace bauta
