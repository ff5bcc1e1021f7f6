#pragma once

#include <cstdint>
#include <span>

#include "kernels/status.h"

namespace bauta {

/// Scales an image of RGB bytes, [src_height, src_width, 3] row-major, to [dst_height, dst_width, 3], byte
/// for byte as Pillow's Image.resize(size, BILINEAR) does: a triangle filter, widened by the scale when
/// shrinking, with weights in fixed point of 22 bits; two passes, each rounded and clipped to bytes, in the
/// order of Pillow 13 (older ones differ by a rounding here and there where a height shrinks much more than
/// the width); a pass whose size does not change is left out. Fails unless every size is at least 1 and the
/// spans have exactly the bytes they say. `dst` overlaps no part of `src`.
Status resize_bilinear(std::span<const std::uint8_t> src, int src_width, int src_height,
                       std::span<std::uint8_t> dst, int dst_width, int dst_height);

}  // namespace bauta
