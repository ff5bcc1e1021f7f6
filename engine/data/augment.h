#pragma once

#include <cstdint>
#include <span>

#include "engine/data/image_size.h"

namespace bauta {

/// How much training images are varied.
enum class Augment {
  none,    ///< not at all
  light,   ///< mirrored half of the time, shifted by up to 1/25 of the side in whole pixels
  strong,  ///< mirrored half of the time; a crop of 0.7 to 1 of the side, turned by up to 11.5 degrees, its
           ///< sides' ratio up to 1.22; contrast and saturation 0.6 to 1.4, brightness up to 48 levels either
           ///< way
};

/// One image's variation, in integers alone: any device computes the same bytes from it. Defaults to none.
struct AugmentParams {
  // Where output pixel (column u, row v) is read: x = x0 + u·xu + v·xv, y = y0 + u·yu + v·yv. In 16.16
  // fixed point, pixel centres at whole numbers.
  std::int32_t x0 = 0, xu = 1 << 16, xv = 0;
  std::int32_t y0 = 0, yu = 0, yv = 1 << 16;
  std::int32_t contrast = 256;    ///< 8.8 fixed point
  std::int32_t saturation = 256;  ///< 8.8 fixed point
  std::int32_t brightness = 0;    ///< levels of 255

  bool operator==(const AugmentParams&) const = default;
};

/// The variation of sample `sample` in epoch `epoch` (both from 0), drawn from Rng(seed, augment, epoch·2^32
/// + sample): it depends on these, `augment` and `size` alone.
AugmentParams augment_params(Augment augment, std::uint64_t seed, int epoch, int sample, ImageSize size);

/// Applies a variation: in and out are bytes [H, W, 3] that do not overlap. With >> rounding down:
///
/// 1. x and y are clamped to the image, so that its edge is repeated outside. With xi = x>>16, fx = (x>>8) &
/// 255,
///    likewise yi and fy, the bilinear sample of each channel is
///      p = ((256-fy)·((256-fx)·in[yi][xi] + fx·in[yi][xi+1]) + fy·((256-fx)·in[yi+1][xi] +
///      fx·in[yi+1][xi+1])
///           + 2^15) >> 16                   (xi+1 and yi+1 have weight 0 where they would be outside)
/// 2. grey = (77·R + 150·G + 29·B + 128) >> 8                                                    (ITU-R
/// BT.601 luma)
///    q = grey + (((p - grey)·saturation + 128) >> 8)
/// 3. out = clamp(128 + (((q - 128)·contrast + 128) >> 8) + brightness, 0, 255)
void augment_image(const AugmentParams& params, ImageSize size, std::span<const std::uint8_t> in,
                   std::span<std::uint8_t> out);

}  // namespace bauta
