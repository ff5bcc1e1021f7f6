#include "optim/loss.h"

#include <gtest/gtest.h>

#include "optim/schedule.h"

namespace bauta {
namespace {

TEST(Loss, BalancedWeightsLetEachClassCountAlike) {
  const std::vector<std::int32_t> labels = {0, 1, 1, 1};
  EXPECT_EQ(balanced_class_weights(labels, 2), (std::vector<float>{2.0F, 4.0F / 6}));
}

// 1e16 + 1 loses the 1 in double: only the tree of shards gives this sum.
TEST(Loss, IsSummedInTheOneOrder) {
  const std::vector<float> losses = {1e16F, 1, -1e16F, 1, 1, 1, 1, 1};
  EXPECT_EQ(sum_losses(losses, Shards{8}), 4.0 + 0.0);
}

TEST(Loss, HalvesAddUpToTheWhole) {
  std::vector<float> losses(13);
  for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = 1.0F / static_cast<float>(i + 3);
  const Shards left{13, 0, 4};
  const Shards right{13, 4, 4};
  const auto cut = static_cast<std::size_t>(left.begin(4));
  const double halves =
      sum_losses(std::span(losses).first(cut), left) + sum_losses(std::span(losses).subspan(cut), right);
  EXPECT_EQ(halves, sum_losses(losses, Shards{13}));
}

TEST(Schedule, CosineFallsFromTheRateToNearlyNothing) {
  EXPECT_EQ(scheduled_lr(Schedule::cosine, 0.1F, 1, 100), 0.1F);
  EXPECT_NEAR(scheduled_lr(Schedule::cosine, 0.1F, 51, 100), 0.05F, 1e-7);
  EXPECT_LT(scheduled_lr(Schedule::cosine, 0.1F, 100, 100), 1e-4F);
  EXPECT_EQ(scheduled_lr(Schedule::constant, 0.1F, 100, 100), 0.1F);
}

}  // namespace
}  // namespace bauta
