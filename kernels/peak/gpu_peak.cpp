#include "kernels/peak/gpu_peak.h"

namespace bauta {

Status launch_peak_kernels(const Context& context, std::span<float> memory, bool tensor_cores, int blocks) {
  if (context.backend != Backend::cuda && context.backend != Backend::simt)
    return Status::error("this backend has no kernels that measure a GPU", {}, "use --device cuda");
  return BAUTA_PICK_GPU(context, gpu_peak_backend)
      .launch(context, memory.data(), std::ssize(memory), tensor_cores, blocks);
}

}  // namespace bauta
