#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// y[i] = x[i] / 255, correctly rounded, for i < size: bytes of images to the network's input.
///                                                                        (torchvision.transforms.ToTensor)
/// x and y [size], 64-byte aligned. Reads size bytes, writes 4·size.
Status normalize_forward(const Context&, Index size, const std::uint8_t* x, float* y);

}  // namespace bauta
