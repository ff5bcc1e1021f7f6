#include "engine/data/augment.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "engine/core/rng.h"

namespace bauta {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes noise(ImageSize size) {
  Bytes image(size.bytes());
  Rng rng(5, RngStream::init);
  for (std::uint8_t& byte : image) byte = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

Bytes applied(const AugmentParams& params, ImageSize size, const Bytes& in) {
  Bytes out(in.size());
  augment_image(params, size, in, out);
  return out;
}

/// FNV-1a.
std::uint64_t hash_of(const Bytes& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

TEST(Augment, NoneIsTheSameBytes) {
  for (const ImageSize size : {ImageSize{1, 1, 3}, ImageSize{5, 9, 3}, ImageSize{100, 100, 3}}) {
    EXPECT_EQ(augment_params(Augment::none, 1, 2, 3, size), AugmentParams());
    EXPECT_EQ(applied(AugmentParams(), size, noise(size)), noise(size));
  }
}

TEST(Augment, LightMirrorsAndShiftsWholePixels) {
  const ImageSize size{50, 75, 3};
  const Bytes in = noise(size);
  std::set<std::tuple<bool, int, int>> seen;
  for (int sample = 0; sample < 1000; ++sample) {
    const AugmentParams p = augment_params(Augment::light, 1, 0, sample, size);
    const Bytes out = applied(p, size, in);
    const bool mirrored = p.xu < 0;
    // Output (20, 30) is source (20 + dy, 30 + dx) of the mirrored or plain image.
    const int x = (p.x0 + 30 * p.xu) >> 16;
    const int y = (p.y0 + 20 * p.yv) >> 16;
    for (int c = 0; c < 3; ++c) {
      ASSERT_EQ(out[static_cast<std::size_t>((20 * 75 + 30) * 3 + c)],
                in[static_cast<std::size_t>((y * 75 + x) * 3 + c)]);
    }
    const int dx = x - (mirrored ? 44 : 30);
    EXPECT_LE(std::abs(dx), 3);
    EXPECT_LE(std::abs(y - 20), 2);
    seen.emplace(mirrored, dx, y - 20);
  }
  EXPECT_EQ(seen.size(), 2U * 7 * 5);
}

TEST(Augment, AConstantImageKeepsItsColourWhereOnlyTheGeometryVaries) {
  const ImageSize size{31, 17, 3};
  Bytes in(size.bytes());
  for (std::size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<std::uint8_t>(i % 3 == 0 ? 255 : i % 3 == 1 ? 90 : 0);
  for (int sample = 0; sample < 50; ++sample) {
    AugmentParams p = augment_params(Augment::strong, 1, 0, sample, size);
    p.contrast = p.saturation = 256;
    p.brightness = 0;
    EXPECT_EQ(applied(p, size, in), in);
  }
}

TEST(Augment, ColourFollowsItsFormula) {
  const ImageSize pixel{1, 1, 3};
  AugmentParams p;
  p.saturation = 0;
  EXPECT_EQ(applied(p, pixel, {200, 100, 50}), (Bytes{124, 124, 124}));  // (15400 + 15000 + 1450 + 128) >> 8
  p = {};
  p.contrast = 128;
  EXPECT_EQ(applied(p, pixel, {255, 128, 0}), (Bytes{192, 128, 64}));
  p = {};
  p.brightness = -40;
  EXPECT_EQ(applied(p, pixel, {200, 39, 41}), (Bytes{160, 0, 1}));
  p.brightness = 200;
  EXPECT_EQ(applied(p, pixel, {200, 0, 54}), (Bytes{255, 200, 254}));
}

TEST(Augment, DependsOnSeedEpochAndSample) {
  const ImageSize size{100, 100, 3};
  const AugmentParams p = augment_params(Augment::strong, 1, 2, 3, size);
  EXPECT_EQ(augment_params(Augment::strong, 1, 2, 3, size), p);
  EXPECT_NE(augment_params(Augment::strong, 2, 2, 3, size), p);
  EXPECT_NE(augment_params(Augment::strong, 1, 3, 3, size), p);
  EXPECT_NE(augment_params(Augment::strong, 1, 2, 4, size), p);
}

TEST(Augment, PositionsInTheLargestImageDoNotOverflow) {
  const std::int64_t last = ImageSize::kMaxSide - 1;
  for (int sample = 0; sample < 1000; ++sample) {
    const AugmentParams p =
        augment_params(Augment::strong, 1, 0, sample, {ImageSize::kMaxSide, ImageSize::kMaxSide, 3});
    for (std::int64_t u : {std::int64_t{0}, last}) {
      for (std::int64_t v : {std::int64_t{0}, last}) {
        EXPECT_LT(std::abs(p.x0 + u * p.xu + v * p.xv), std::int64_t{1} << 31);
        EXPECT_LT(std::abs(p.y0 + u * p.yu + v * p.yv), std::int64_t{1} << 31);
      }
    }
  }
}

// The bytes that every device has to reproduce.
TEST(Augment, OutputsArePinned) {
  const ImageSize study{100, 100, 3};
  const ImageSize odd{33, 65, 3};
  EXPECT_EQ(hash_of(applied(augment_params(Augment::light, 1, 0, 0, study), study, noise(study))),
            0xb925978c9f8ce8dU);
  EXPECT_EQ(hash_of(applied(augment_params(Augment::strong, 1, 0, 0, study), study, noise(study))),
            0xe17eddc175187a3aU);
  EXPECT_EQ(hash_of(applied(augment_params(Augment::strong, 1, 7, 94999, study), study, noise(study))),
            0x38a07a331a1c312U);
  EXPECT_EQ(hash_of(applied(augment_params(Augment::strong, ~0ULL, 3, 5, odd), odd, noise(odd))),
            0xc8467efa08c88d6eU);
}

}  // namespace
}  // namespace bauta
