#include "engine/core/rng.h"

#include <gtest/gtest.h>

namespace bauta {
namespace {

// The known answers of Random123's kat_vectors for philox4x32 with 10 rounds.
TEST(Philox, GivesThePublishedAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox(0, {0, 0, 0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ULL, {~0U, ~0U, ~0U, ~0U}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822ULL, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, SequencesDependOnSeedStreamAndIndexAlone) {
  EXPECT_EQ(Rng(1, RngStream::init, 2).word(), Rng(1, RngStream::init, 2).word());
  EXPECT_NE(Rng(1, RngStream::init, 2).word(), Rng(1, RngStream::init, 3).word());
  EXPECT_NE(Rng(1, RngStream::init, 2).word(), Rng(1, RngStream::split, 2).word());
  EXPECT_NE(Rng(1, RngStream::init, 2).word(), Rng(2, RngStream::init, 2).word());
}

TEST(Rng, BelowIsUniformAndBounded) {
  Rng rng(7, RngStream::shuffle);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100000; ++i) ++counts[rng.below(10)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(rng.below(1), 0U);
  // Three quarters of all words: without a second draw every third number would come twice as often.
  std::array<int, 3> thirds = {};
  for (int i = 0; i < 30000; ++i) ++thirds[rng.below(3U << 30) % 3];
  for (const int count : thirds) EXPECT_NEAR(count, 10000, 500);
}

TEST(Rng, UniformFillsItsRange) {
  Rng rng(7, RngStream::init);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const float u = rng.uniform(-2.0F, 3.0F);
    ASSERT_GE(u, -2.0F);
    ASSERT_LT(u, 3.0F);
    sum += u;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.02);
}

}  // namespace
}  // namespace bauta
