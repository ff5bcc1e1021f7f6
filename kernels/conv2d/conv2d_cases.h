#pragma once

#include <array>

#include "kernels/conv2d/conv2d.h"

namespace bauta {

/// Shapes that tests and bench share: batch, in_h, in_w, in_channels, out_channels, kernel, stride, pad,
/// out_h, out_w.
inline constexpr std::array kConv2dCases = {
    Conv2dShape{2, 100, 100, 3, 32, 3, 1, 1, 94, 94},  // the study's first, its demanded region
    Conv2dShape{2, 50, 50, 32, 64, 3, 1, 1, 46, 46},   // its second
    Conv2dShape{8, 25, 25, 64, 128, 3, 3, 1, 8, 8},    // its third
    Conv2dShape{4, 25, 25, 64, 128, 1, 1, 0, 25, 25},  // one tap: a product of matrices
    Conv2dShape{1, 1, 1, 1, 1, 1, 1, 0, 1, 1},         // nothing to sum
    Conv2dShape{3, 7, 9, 5, 7, 3, 1, 1, 7, 9},         // smaller than any tile
    Conv2dShape{2, 13, 11, 17, 33, 3, 2, 1, 7, 6},     // one past every vector; stride 2
    Conv2dShape{2, 14, 15, 7, 19, 5, 1, 2, 14, 15},    // a wide kernel
    Conv2dShape{1, 10, 12, 4, 6, 4, 3, 2, 4, 5},       // an even kernel; the last rows are not read
    Conv2dShape{2, 12, 9, 3, 5, 2, 3, 0, 4, 3},        // inputs between the kernel's places
    Conv2dShape{1, 3, 2, 2, 3, 5, 1, 4, 7, 6},         // wider than the image, mostly padding
    Conv2dShape{1, 1, 1, 2, 3, 5, 3, 2, 1, 1},         // one pixel under the middle of a wide kernel
    Conv2dShape{1, 4, 3, 3, 2, 3, 5, 2, 2, 1},         // a stride longer than the image
    Conv2dShape{2, 20, 20, 6, 10, 3, 1, 1, 5, 3},      // only a corner is demanded
    Conv2dShape{13, 6, 6, 9, 8, 3, 1, 0, 4, 4},        // an uneven last batch
    Conv2dShape{1, 23, 24, 5, 35, 2, 1, 1, 23, 24},    // large images: channels of no vector,
    Conv2dShape{1, 23, 23, 4, 12, 3, 1, 1, 23, 23},    // few channels,
    Conv2dShape{1, 24, 23, 3, 40, 2, 1, 0, 23, 22},    // from few to many,
    Conv2dShape{1, 23, 25, 33, 7, 2, 1, 0, 22, 24},    // and from many to few
    Conv2dShape{1, 23, 24, 64, 68, 3, 1, 1, 23, 24},   // 3x3 over 64 channels,
    Conv2dShape{2, 25, 23, 32, 12, 3, 1, 2, 24, 22},   // over 32 to few,
    Conv2dShape{1, 24, 23, 20, 32, 3, 1, 0, 22, 21},   // and, for dgrad, from few,
    Conv2dShape{1, 23, 23, 36, 32, 3, 1, 2, 25, 25},   // from many
    Conv2dShape{1, 23, 24, 40, 64, 3, 1, 1, 23, 24},   // over 64,
    Conv2dShape{1, 25, 25, 5, 36, 3, 1, 0, 23, 23},    // and over few to many
    Conv2dShape{50, 23, 23, 4, 4, 3, 1, 1, 23, 23},    // partial sums of hundreds of blocks
};

}  // namespace bauta
