#pragma once

#include <cstddef>

namespace bauta::simt::runtime {

/// Bytes of shared memory that a block may have, all of it dynamic: an H100's. Tests set it to what other
/// GPUs have.
inline std::size_t most_dynamic_shared = 227 * 1024;

}  // namespace bauta::simt::runtime
