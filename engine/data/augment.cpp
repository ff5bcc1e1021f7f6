#include "engine/data/augment.h"

#include <algorithm>

#include "engine/core/rng.h"
#include "kernels/gather_images/augmented_pixel.h"

namespace bauta {
namespace {

constexpr std::int32_t kOne = 1 << 16;  // 1 in 16.16 fixed point
constexpr std::int32_t kHalf = kOne / 2;

/// The product of two 16.16 numbers, rounded down.
std::int32_t multiply(std::int64_t a, std::int64_t b) { return static_cast<std::int32_t>((a * b) >> 16); }

/// Uniform over the integers low to high, both included.
std::int32_t draw(Rng& rng, std::int32_t low, std::int32_t high) {
  return low + static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(high - low) + 1));
}

/// A rectangle of the source that becomes the image, all in 16.16.
struct Crop {
  std::int32_t width = kOne, height = kOne;  // parts of the source's sides
  std::int32_t shift_x = 0, shift_y = 0;     // of its centre from the source's, in pixels
  std::int32_t sine = 0;                     // of the angle it is turned by
  bool mirrored = false;
};

Crop draw_light(Rng& rng, ImageSize size) {
  Crop crop;
  crop.mirrored = draw(rng, 0, 1) == 1;
  crop.shift_x = draw(rng, -size.width / 25, size.width / 25) * kOne;
  crop.shift_y = draw(rng, -size.height / 25, size.height / 25) * kOne;
  return crop;
}

Crop draw_strong(Rng& rng, ImageSize size) {
  Crop crop;
  crop.mirrored = draw(rng, 0, 1) == 1;
  const std::int32_t side = draw(rng, kOne * 7 / 10, kOne);
  const std::int32_t stretch = draw(rng, -kOne / 10, kOne / 10);
  crop.width = std::min(kOne, multiply(side, kOne + stretch));
  crop.height = std::min(kOne, multiply(side, kOne - stretch));
  const std::int32_t slack_x = (kOne - crop.width) / 2 * size.width;
  const std::int32_t slack_y = (kOne - crop.height) / 2 * size.height;
  crop.shift_x = draw(rng, -slack_x, slack_x);
  crop.shift_y = draw(rng, -slack_y, slack_y);
  crop.sine = draw(rng, -kOne / 5, kOne / 5);
  return crop;
}

/// Fills in the affine map that reads `crop`: source = centre + shift + turn·scale·(output - centre).
void set_geometry(AugmentParams& p, const Crop& crop, ImageSize size) {
  // The cosine by its series 1 - s²/2 - s⁴/8, good to 2^-16 for angles this small.
  const std::int32_t sine2 = multiply(crop.sine, crop.sine);
  const std::int32_t cosine = kOne - sine2 / 2 - multiply(sine2, sine2) / 8;
  const std::int32_t width = crop.mirrored ? -crop.width : crop.width;
  p.xu = multiply(cosine, width);
  p.xv = -multiply(crop.sine, crop.height);
  p.yu = multiply(crop.sine, width);
  p.yv = multiply(cosine, crop.height);
  // Centre of the image, with pixel centres at whole numbers.
  const std::int32_t centre_x = (size.width - 1) * kHalf;
  const std::int32_t centre_y = (size.height - 1) * kHalf;
  p.x0 = centre_x + crop.shift_x - multiply(p.xu, centre_x) - multiply(p.xv, centre_y);
  p.y0 = centre_y + crop.shift_y - multiply(p.yu, centre_x) - multiply(p.yv, centre_y);
}

}  // namespace

AugmentParams augment_params(Augment augment, std::uint64_t seed, int epoch, int sample, ImageSize size) {
  Rng rng(seed, RngStream::augment,
          (static_cast<std::uint64_t>(epoch) << 32) | static_cast<std::uint32_t>(sample));
  AugmentParams p;
  Crop crop;
  if (augment == Augment::light) crop = draw_light(rng, size);
  if (augment == Augment::strong) {
    crop = draw_strong(rng, size);
    p.contrast = draw(rng, 154, 358);
    p.saturation = draw(rng, 154, 358);
    p.brightness = draw(rng, -48, 48);
  }
  set_geometry(p, crop, size);
  return p;
}

// Bound by arithmetic, about 60 integer operations per pixel: an image (30 KB) is in L1.
void augment_image(const AugmentParams& p, ImageSize size, std::span<const std::uint8_t> in,
                   std::span<std::uint8_t> out) {
  const auto at = [&](int row, int column, int c) {
    return std::int32_t{in[static_cast<std::size_t>((Index{row} * size.width + column) * 3 + c)]};
  };
  auto to = out.begin();
  for (int v = 0; v < size.height; ++v) {
    for (int u = 0; u < size.width; ++u) {
      std::int32_t rgb[3];
      augment::augmented_pixel(p, size.height, size.width, u, v, at, rgb);
      for (const std::int32_t level : rgb) *to++ = static_cast<std::uint8_t>(level);
    }
  }
}

}  // namespace bauta
