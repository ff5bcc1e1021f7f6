#include "optim/scaling.h"

#include <gtest/gtest.h>

namespace bauta {
namespace {

constexpr double kMs = 1e-3;
// A hop of 1 ms; a byte takes 1 ms.
constexpr Link kLink = {kMs, 1000};

TEST(Scaling, ARingPassesTheArrayTwiceButForOneNthInTwiceAsManyHopsAsItHasLinks) {
  EXPECT_DOUBLE_EQ(sum_seconds(kLink, 2, 10), (2 + 10) * kMs);
  EXPECT_DOUBLE_EQ(sum_seconds(kLink, 4, 10), (6 + 15) * kMs);
  EXPECT_DOUBLE_EQ(sum_seconds(kLink, 8, 0), 14 * kMs);
}

TEST(Scaling, OneRankSumsNothing) {
  EXPECT_EQ(sum_seconds(kLink, 1, 10), 0);
  EXPECT_EQ(step_seconds({5 * kMs, 0, 10, 1}, kLink, 1), 5 * kMs);
}

TEST(Scaling, ALinkIsFoundFromTheSumsThatItMakes) {
  for (const int ranks : {2, 3, 8}) {
    const Link found = link_of(ranks, sum_seconds(kLink, ranks, 0), sum_seconds(kLink, ranks, 10), 10);
    EXPECT_NEAR(found.latency, kLink.latency, 1e-12);
    EXPECT_NEAR(found.bandwidth, kLink.bandwidth, 1e-6);
  }
}

TEST(Scaling, AStepHidesOfItsSumsWhatTheWindowHolds) {
  const double none = step_seconds({20 * kMs, 0, 10, 1}, kLink, 2);
  EXPECT_DOUBLE_EQ(none, (20 + 12) * kMs);
  EXPECT_DOUBLE_EQ(step_seconds({20 * kMs, 5 * kMs, 10, 1}, kLink, 2), none - 5 * kMs);
}

TEST(Scaling, TheLastGradientsAreNeverHidden) {
  EXPECT_DOUBLE_EQ(step_seconds({20 * kMs, 15 * kMs, 10, 1}, kLink, 2), (20 + 2 + 1) * kMs);
}

}  // namespace
}  // namespace bauta
