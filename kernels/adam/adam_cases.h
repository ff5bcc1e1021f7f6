#pragma once

#include <array>

#include "kernels/adam/adam.h"

namespace bauta {

/// Sizes that tests and bench share.
inline constexpr std::array<Index, 5> kAdamCases = {
    2048 * 1024,  // the study's largest weight
    1024 * 2,     // its last
    1,            // less than a vector
    16384 + 37,   // a chunk and some odd floats
    0,            // nothing
};

}  // namespace bauta
