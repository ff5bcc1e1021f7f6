#pragma once

#include <array>

#include "kernels/conv_relu_pool/conv_relu_pool.h"

namespace bauta {

/// Shapes that tests and bench share. Tests may take fewer samples of the large ones.
inline constexpr std::array kConvReluPoolCases = {
    // N, H, W, C, O, K, stride, pad, P, Q
    ConvReluPoolShape{32, 100, 100, 3, 32, 3, 1, 1, 47, 47},  // the study's first layer (94x94 are read),
    ConvReluPoolShape{32, 47, 47, 32, 64, 3, 1, 1, 23, 23},   // its second
    ConvReluPoolShape{32, 23, 23, 64, 128, 3, 3, 1, 4, 4},    // its third
    ConvReluPoolShape{1, 2, 2, 1, 1, 1, 1, 0, 1, 1},          // one window, one channel, nothing around it
    ConvReluPoolShape{2, 1, 1, 5, 3, 3, 1, 2, 1, 1},          // one pixel, the rest is padding
    ConvReluPoolShape{3, 7, 9, 3, 5, 3, 1, 1, 3, 4},          // odd sizes, channels of no vector
    ConvReluPoolShape{2, 12, 11, 17, 33, 5, 2, 2, 3, 3},      // kernel 5, stride 2, one past every vector
    ConvReluPoolShape{2, 9, 14, 2, 6, 1, 3, 0, 1, 2},    // stride wider than the kernel: pixels never read
    ConvReluPoolShape{2, 20, 16, 8, 16, 3, 1, 0, 9, 7},  // no padding, whole vectors
    ConvReluPoolShape{9, 10, 13, 4, 20, 4, 1, 3, 2, 5},  // an even kernel, a small region read, uneven shards
    ConvReluPoolShape{1, 25, 24, 5, 35, 2, 1, 1, 12, 12},   // large images: channels of no vector,
    ConvReluPoolShape{1, 23, 24, 4, 12, 3, 1, 1, 11, 12},   // few channels,
    ConvReluPoolShape{1, 24, 25, 3, 40, 2, 1, 0, 11, 12},   // from few to many,
    ConvReluPoolShape{1, 25, 26, 33, 7, 2, 1, 0, 12, 12},   // and from many to few
    ConvReluPoolShape{1, 23, 24, 64, 36, 3, 1, 1, 11, 12},  // 3x3 over 64 channels,
    ConvReluPoolShape{2, 25, 23, 32, 12, 3, 1, 2, 13, 12},  // over 32 to few,
    ConvReluPoolShape{1, 24, 23, 20, 32, 3, 1, 0, 11, 10},  // and, for dgrad, from few,
    ConvReluPoolShape{1, 23, 23, 36, 32, 3, 1, 2, 12, 12},  // from many
    ConvReluPoolShape{1, 23, 24, 40, 64, 3, 1, 1, 11, 11},  // over 64,
    ConvReluPoolShape{1, 26, 25, 5, 36, 3, 1, 0, 12, 11},   // and over few to many
};

}  // namespace bauta
