#pragma once

#include <array>

#include "kernels/normalize/normalize.h"

namespace bauta {

/// Sizes that tests and bench share.
inline constexpr std::array<Index, 5> kNormalizeCases = {
    Index{32} * 100 * 100 * 3,  // the study's batch
    100 * 100 * 3,              // one face
    1,                          // less than a vector
    16384 + 37,                 // a chunk and some odd bytes
    0,                          // nothing
};

}  // namespace bauta
