#pragma once

#include <array>

#include "kernels/linear/linear.h"

namespace bauta {

/// Shapes that tests and bench share.
inline constexpr std::array kLinearCases = {
    LinearShape{32, 2048, 1024, false, true},  // the study's, with the ReLU behind it
    LinearShape{1, 2048, 1024},                // one face
    LinearShape{32, 1024, 2, true},            // the study's last layer, behind that ReLU
    LinearShape{3, 5, 7},                      // smaller than any tile
    LinearShape{1, 1, 1},                      // nothing to tile
    LinearShape{33, 129, 65, true, true},      // one past every vector and tile
    LinearShape{13, 40, 26},                   // an uneven last batch
    LinearShape{20, 300, 260, true, true},     // of vectors, but no multiple of a slice
    // Few outputs (linear_few_outputs.h):
    LinearShape{301, 1028, 1},             // one vector more than a warp reads at once, uneven shares
    LinearShape{2100, 12, 2},              // a batch that is more than all warps read at once
    LinearShape{129, 259, 2, true, true},  // single floats
    LinearShape{66, 260, 3, true, true},   // more outputs
    LinearShape{17, 133, 4},               // of single floats
    LinearShape{1, 516, 5},                // one face
    LinearShape{260, 36, 6},               // samples in two warps of a block
    LinearShape{530, 44, 8, true, true},   // as many outputs as there may be
    LinearShape{12, 24, 9},                // one more
};

}  // namespace bauta
