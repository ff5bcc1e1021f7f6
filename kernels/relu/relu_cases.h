#pragma once

#include <array>

#include "kernels/relu/relu.h"

namespace bauta {

/// Sizes that tests and bench share.
inline constexpr std::array<Index, 5> kReluCases = {
    32 * 1024,                 // after the study's first linear layer
    Index{32} * 50 * 50 * 64,  // larger than the caches
    1,                         // less than a vector
    16384 + 37,                // a chunk and some odd floats
    0,                         // nothing
};

}  // namespace bauta
