#include "engine/core/arena.h"

#include <gtest/gtest.h>

namespace bauta {
namespace {

TEST(ArenaPlan, ArraysThatAreNeverAliveTogetherShareMemory) {
  ArenaPlan plan;
  const auto a = plan.add(1000, 0, 1);
  const auto b = plan.add(1000, 2, 3);
  plan.plan();
  EXPECT_EQ(plan.offset(a), plan.offset(b));
  EXPECT_EQ(plan.size(), 1024U);
}

TEST(ArenaPlan, ArraysThatAreAliveTogetherDoNotOverlap) {
  struct Life {
    std::size_t bytes;
    int first, last;
  };
  const Life lives[] = {{640, 0, 4}, {64, 1, 2}, {128, 2, 3}, {640, 5, 6}, {1, 3, 5}, {0, 0, 6}, {320, 4, 4}};
  ArenaPlan plan;
  for (const Life& life : lives) plan.add(life.bytes, life.first, life.last);
  plan.plan();
  for (std::size_t i = 0; i < std::size(lives); ++i) {
    EXPECT_EQ(plan.offset(i) % 64, 0U);
    EXPECT_LE(plan.offset(i) + lives[i].bytes, plan.size());
    for (std::size_t j = 0; j < i; ++j) {
      const bool together = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
      const bool apart = plan.offset(i) + lives[i].bytes <= plan.offset(j) ||
                         plan.offset(j) + lives[j].bytes <= plan.offset(i);
      EXPECT_TRUE(!together || apart) << i << " and " << j;
    }
  }
}

TEST(ArenaPlan, FillsGapsBeforeItGrows) {
  ArenaPlan plan;
  plan.add(1024, 0, 0);  // leaves a gap from step 1 on
  plan.add(512, 0, 9);   // behind it
  const auto gap = plan.add(256, 1, 9);
  plan.plan();
  EXPECT_EQ(plan.offset(gap), 0U);
  EXPECT_EQ(plan.size(), 1024U + 512U);
}

}  // namespace
}  // namespace bauta
