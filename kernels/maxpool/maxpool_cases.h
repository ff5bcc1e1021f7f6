#pragma once

#include <array>

#include "kernels/maxpool/maxpool.h"

namespace bauta {

/// Shapes that tests and bench share.
inline constexpr std::array kMaxPoolCases = {
    MaxPoolShape{4, 100, 100, 32, 2, 2, 50, 50},  // after the study's first convolution
    MaxPoolShape{32, 9, 9, 128, 2, 2, 4, 4},      // after its last, whose 9th row and column are dropped
    MaxPoolShape{2, 17, 13, 19, 3, 2, 8, 6},      // windows overlap; channels fill no vector
    MaxPoolShape{1, 6, 7, 3, 3, 1, 4, 5},         // every input is in several windows
    MaxPoolShape{2, 11, 8, 5, 2, 3, 3, 2},        // inputs between the windows
    MaxPoolShape{1, 20, 20, 33, 2, 2, 7, 6},      // only a part is demanded
    MaxPoolShape{2, 17, 16, 19, 16, 1, 2, 1},     // the largest window
    MaxPoolShape{1, 1, 1, 1, 1, 1, 1, 1},         // nothing to choose from
};

}  // namespace bauta
