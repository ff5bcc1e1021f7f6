#include "engine/comm/nccl.h"

namespace bauta {

bool has_nccl() { return false; }

Result<std::unique_ptr<Communicator>> open_nccl(
    const Context&, Communicator&,
    // NOLINTNEXTLINE(performance-unnecessary-value-param): nccl.cpp keeps it
    std::function<void(const Status&)>) {
  return Status::error("this build has no NCCL, by which GPUs add up their gradients", "--device cuda",
                       "install libnccl-dev and build with -DBAUTA_NCCL=ON, or use --device cpu");
}

}  // namespace bauta
