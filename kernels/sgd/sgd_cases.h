#pragma once

#include <array>

#include "kernels/sgd/sgd.h"

namespace bauta {

/// Sizes that tests and bench share.
inline constexpr std::array<Index, 4> kSgdCases = {
    2048 * 1024,  // the study's largest weight
    1,            // less than a vector
    16384 + 37,   // a chunk and some odd floats
    0,            // nothing
};

}  // namespace bauta
