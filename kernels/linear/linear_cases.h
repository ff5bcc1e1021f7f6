#pragma once

#include <array>

#include "kernels/linear/linear.h"

namespace bauta {

/// Shapes that tests and bench share.
inline constexpr std::array kLinearCases = {
    LinearShape{32, 2048, 1024},  // the study's
    LinearShape{1, 2048, 1024},   // one face
    LinearShape{32, 1024, 2},     // the study's last layer
    LinearShape{3, 5, 7},         // smaller than any tile
    LinearShape{1, 1, 1},         // nothing to tile
    LinearShape{33, 129, 65},     // one past every vector and tile
    LinearShape{13, 40, 26},      // an uneven last batch
    LinearShape{20, 300, 260},    // of vectors, but no multiple of a slice
};

}  // namespace bauta
