#pragma once

#include <cstddef>

namespace bauta::simt::runtime {

/// Bytes of dynamic shared memory that a block may have: an H100's. Tests set it to what other GPUs have.
inline std::size_t most_dynamic_shared = 227 * 1024;

}  // namespace bauta::simt::runtime
