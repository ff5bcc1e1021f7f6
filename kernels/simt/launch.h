#pragma once

#include <functional>

#include "kernels/common.h"
#include "kernels/simt/block.h"
#include "kernels/simt/limits.h"

namespace bauta::simt::runtime {

/// Puts a kernel into the context's stream (stream.h), and fails when a GPU would refuse the launch, or there
/// are more than 2^31 - 1 blocks. Launch bounds are not checked. Shared arrays that a kernel declares are
/// known only once it has run: if they are too large, it fails then. When its turn comes, `kernel` is called
/// once for every thread of the shape's grid, blocks in parallel on the context's threads; that leaves counts
/// and faults in the context's simt_log, if there is one, and fails with the first fault of the first block
/// that has one.
Status launch(const Context& context, const Shape& shape, std::function<void()> kernel);

}  // namespace bauta::simt::runtime
