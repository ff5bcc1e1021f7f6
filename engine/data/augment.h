#pragma once

#include <cstdint>
#include <span>

#include "engine/data/image_size.h"
#include "kernels/gather_images/gather_images.h"

namespace bauta {

/// How much training images are augmented.
enum class Augment {
  none,    ///< not at all
  light,   ///< mirrored half of the time, shifted by up to 1/25 of the side in whole pixels
  strong,  ///< mirrored half of the time; a crop of 0.7 to 1 of the side, turned by up to 11.5 degrees, its
           ///< sides' ratio up to 1.22; contrast and saturation 0.6 to 1.4, brightness up to 48 levels either
           ///< way
};

/// The augmentation of sample `sample` in epoch `epoch` (both from 0), drawn from
/// Rng(seed, augment, epoch·2^32 + sample): it depends on these, `augment` and `size` alone.
AugmentParams augment_params(Augment augment, std::uint64_t seed, int epoch, int sample, ImageSize size);

/// Applies an augmentation as gather_images does: in and out are bytes [H, W, 3] that do not overlap.
void augment_image(const AugmentParams& params, ImageSize size, std::span<const std::uint8_t> in,
                   std::span<std::uint8_t> out);

}  // namespace bauta
