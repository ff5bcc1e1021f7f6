#pragma once

#include <array>

#include "kernels/gather_images/gather_images.h"

namespace bauta {

/// Shapes that tests and bench share.
inline constexpr std::array<GatherImagesShape, 5> kGatherImagesCases = {{
    {32, 100, 100, 3, 40},  // the study's batch
    {1, 100, 100, 3, 1},    // one face
    {3, 1, 1, 3, 2},        // less than a vector
    {5, 7, 13, 3, 4},       // images that begin at any byte
    {2, 19, 24, 5, 3},      // other channels
}};

}  // namespace bauta
