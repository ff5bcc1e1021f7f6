#pragma once

#include <functional>

#include "kernels/common.h"
#include "kernels/simt/block.h"

namespace bauta::simt::runtime {

/// Calls `kernel` once for every thread of the shape's grid, blocks in parallel on the context's threads.
/// Leaves counts and faults in the context's simt_log, if there is one. Fails with the first fault of the
/// first block that has one, or when a GPU would refuse the launch.
Status launch(const Context& context, const Shape& shape, const std::function<void()>& kernel);

}  // namespace bauta::simt::runtime
