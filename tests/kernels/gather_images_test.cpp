#include "kernels/gather_images/gather_images.h"

#include "kernels/gather_images/gather_images_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

struct Problem {
  explicit Problem(const GatherImagesShape& shape)
      : s(shape),
        images(static_cast<std::size_t>(s.images) * image_size()),
        samples(static_cast<std::size_t>(s.batch)),
        augment(static_cast<std::size_t>(s.batch)) {
    Rng rng(1, RngStream::init);
    for (std::uint8_t& byte : images.span()) byte = static_cast<std::uint8_t>(rng.below(256));
    for (std::size_t n = 0; n < samples.size(); ++n) {
      samples[n] = static_cast<std::int32_t>((n * 3 + 1) % static_cast<std::size_t>(s.images));
      augment[n] = turned(static_cast<int>(n));
    }
  }

  std::size_t image_size() const {
    return static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width * s.channels);
  }
  /// Mirrored, turned, shifted out of the image, in other colours.
  static AugmentParams turned(int n) {
    return {(50 - n) << 16, -60000,       9000 * n,    -(n << 17), 11000,
            70000,          200 + 10 * n, 300 - 9 * n, 3 * n - 20};
  }

  GatherImagesShape s;
  Buffer<std::uint8_t> images;
  Buffer<std::int32_t> samples;
  Buffer<AugmentParams> augment;
};

Guarded<float> run(const Context& context, const Problem& p, const AugmentParams* augment) {
  Guarded<float> y(p.samples.size() * p.image_size());
  EXPECT_TRUE(succeeded(gather_images(context, p.s, p.images.data(), p.samples.data(), augment, y.data())));
  y.check();
  return y;
}

class GatherImagesTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, GatherImagesTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(GatherImagesTest, HasTheReferencesBits) {
  const Runner runner(GetParam());
  for (const GatherImagesShape& s : kGatherImagesCases) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.height << "x" << s.width << "x" << s.channels);
    const Problem p(s);
    expect_same_bits(run(runner.context(), p, nullptr), run(reference_context(), p, nullptr));
    if (s.channels != 3) continue;
    expect_same_bits(run(runner.context(), p, p.augment.data()),
                     run(reference_context(), p, p.augment.data()));
  }
}

TEST_P(GatherImagesTest, NoVariationIsTheImage) {
  const Runner runner(GetParam());
  Problem p({5, 7, 13, 3, 4});
  for (AugmentParams& params : p.augment.span()) params = {};
  expect_same_bits(run(runner.context(), p, p.augment.data()), run(runner.context(), p, nullptr));
}

TEST(GatherImagesReference, PicksTheSamplesAndIsCorrectlyRounded) {
  Problem p({2, 1, 256, 1, 2});
  for (std::size_t i = 0; i < p.images.size(); ++i) p.images[i] = static_cast<std::uint8_t>(i * 7);
  p.samples[0] = 1;
  p.samples[1] = 0;
  const Guarded<float> y = run(reference_context(), p, nullptr);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const long double exact = static_cast<long double>(p.images[(i + 256) % 512]) / 255;
    const auto error = [&](float value) { return std::fabs(static_cast<long double>(value) - exact); };
    EXPECT_LE(error(y[i]), error(std::nextafter(y[i], 2.0F))) << i;
    EXPECT_LE(error(y[i]), error(std::nextafter(y[i], -1.0F))) << i;
  }
}

TEST(GatherImagesTest, RefusesShapesAndSamplesThatMakeNoSense) {
  Problem p({2, 2, 2, 4, 2});
  Guarded<float> y(2 * p.image_size());
  const auto error = [&](const AugmentParams* augment) {
    return gather_images({}, p.s, p.images.data(), p.samples.data(), augment, y.data()).message();
  };
  EXPECT_EQ(error(p.augment.data()),
            "gather_images: images of 4 channels are to be augmented: only images of 3 are");
  p.samples[1] = 2;
  EXPECT_EQ(error(nullptr), "gather_images: sample 1 is 2: samples count from 0 to 1");
  p.s.images = 0;
  EXPECT_EQ(error(nullptr), "gather_images: images is 0: every size of a shape must be at least 1");
}

}  // namespace
}  // namespace bauta::testing
