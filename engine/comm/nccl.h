#pragma once

#include <functional>
#include <memory>

#include "engine/comm/communicator.h"
#include "kernels/common.h"

namespace bauta {

/// Whether this build has NCCL.
bool has_nccl();

/// How to learn more about a failure of NCCL's. Its words go to stdout otherwise, and only rank 0 has one.
inline constexpr const char* kNcclSaysMore = "NCCL_DEBUG=INFO NCCL_DEBUG_FILE=nccl.%h.%p says more";

/// A communicator between the GPUs that the ranks compute on, one each: it sums floats in their memory, by
/// NCCL, on a stream of its own beside the context's; all else goes by `host`. Collective. Sums have the same
/// bits on all ranks and from run to run, in an order that is NCCL's, unless NCCL_NVLS_ENABLE is set to
/// another value than the 0 which this sets it to.
///
/// start_sum(floats) and finish() only enqueue: a sum waits for what is in the stream that it is told of, and
/// finish() has the context's, not the caller, wait for the sums. So a stream capture of both (thread-local
/// or relaxed) holds the sums too; the graph is destroyed before the communicator. What fails while the GPUs
/// are at it is told to `on_fault`, from a thread that looks once a second; the communicator is of no more
/// use then.
///
/// `host` outlives it, and the GPU's stream the last sum. Fails where this build has no NCCL, where two ranks
/// have the same GPU, and where NCCL's sums, tried out, are wrong. It may wait for ever where GPUs cannot
/// reach one another.
Result<std::unique_ptr<Communicator>> open_nccl(const Context&, Communicator& host,
                                                std::function<void(const Status&)> on_fault);

}  // namespace bauta
