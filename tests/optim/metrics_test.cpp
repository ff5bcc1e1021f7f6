#include "optim/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optim/predict.h"

namespace bauta {
namespace {

using Ints = std::vector<int>;
using Floats = std::vector<float>;

Evaluation evaluated(int classes, int positive, const Ints& labels, const Ints& predictions,
                     const Floats& scores) {
  const Result<Evaluation> result = evaluate(classes, positive, labels, predictions, scores);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return *result;
}

double auc(const Ints& labels, const Floats& scores) {
  return evaluated(2, 1, labels, Ints(labels.size(), 0), scores).roc_auc;
}

TEST(Metrics, CountTwoClassesByHand) {
  const Evaluation e = evaluated(2, 1, {0, 0, 0, 0, 0, 1, 1, 1}, {0, 0, 0, 1, 0, 1, 1, 0},
                                 {0.1F, 0.2F, 0.3F, 0.6F, 0.4F, 0.9F, 0.8F, 0.35F});
  EXPECT_EQ(e.confusion, (Ints{4, 1, 1, 2}));
  EXPECT_DOUBLE_EQ(e.accuracy, 6.0 / 8);
  ASSERT_EQ(e.per_class.size(), 2U);
  EXPECT_DOUBLE_EQ(e.per_class[0].precision, 4.0 / 5);
  EXPECT_DOUBLE_EQ(e.per_class[0].recall, 4.0 / 5);
  EXPECT_DOUBLE_EQ(e.per_class[0].f1, 4.0 / 5);
  EXPECT_EQ(e.per_class[0].support, 5);
  EXPECT_DOUBLE_EQ(e.per_class[1].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.per_class[1].recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.per_class[1].f1, 2.0 / 3);
  EXPECT_EQ(e.per_class[1].support, 3);
  EXPECT_DOUBLE_EQ(e.roc_auc, 13.0 / 15);  // 0.35 loses to 0.6 and 0.4
}

TEST(Metrics, CountThreeClassesByHand) {
  const Evaluation e =
      evaluated(3, 2, {0, 0, 1, 1, 1, 2}, {0, 1, 1, 1, 2, 2}, {0.1F, 0.1F, 0.2F, 0.1F, 0.7F, 0.6F});
  EXPECT_EQ(e.confusion, (Ints{1, 1, 0, 0, 2, 1, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(e.accuracy, 4.0 / 6);
  EXPECT_DOUBLE_EQ(e.per_class[0].precision, 1);
  EXPECT_DOUBLE_EQ(e.per_class[0].recall, 1.0 / 2);
  EXPECT_DOUBLE_EQ(e.per_class[1].f1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.per_class[2].precision, 1.0 / 2);
  EXPECT_DOUBLE_EQ(e.per_class[2].recall, 1);
  EXPECT_DOUBLE_EQ(e.roc_auc, 4.0 / 5);
}

TEST(Metrics, TheMacroAverageCountsClassesAlike) {
  const Evaluation e = evaluated(3, 2, {0, 0, 1, 1, 1, 2}, {0, 1, 1, 1, 2, 2}, Floats(6, 0.5F));
  EXPECT_DOUBLE_EQ(e.macro_average.precision, (1 + 2.0 / 3 + 1.0 / 2) / 3);
  EXPECT_DOUBLE_EQ(e.macro_average.recall, (1.0 / 2 + 2.0 / 3 + 1) / 3);
  EXPECT_DOUBLE_EQ(e.macro_average.f1, (2.0 / 3 + 2.0 / 3 + 2.0 / 3) / 3);
  EXPECT_EQ(e.macro_average.support, 6);
}

TEST(Metrics, ThePositiveClassIsWithMaskOrElseTheLast) {
  EXPECT_EQ(positive_class({"with_mask", "x"}), 0);
  EXPECT_EQ(positive_class({"a", "with_mask", "c"}), 1);
  EXPECT_EQ(positive_class({"a", "b", "c"}), 2);
}

TEST(Metrics, TheScoreIsThePositiveClasssProbability) {
  Predictions predictions;
  predictions.labels = {0, 1, 0, 1};
  predictions.predicted = {0, 1, 0, 0};
  predictions.probabilities = {0.9F, 0.1F, 0.2F, 0.8F, 0.7F, 0.3F, 0.6F, 0.4F};
  EXPECT_EQ(evaluate(predictions, {"without_mask", "with_mask"})->roc_auc, 1);
  EXPECT_EQ(evaluate(predictions, {"with_mask", "without_mask"})->roc_auc, 1);
}

TEST(Metrics, RatiosOfNothingAreZero) {
  const Evaluation e = evaluated(3, 1, {0, 1, 0}, {0, 0, 0}, {0, 0, 0});
  EXPECT_EQ(e.per_class[1].precision, 0);  // never predicted
  EXPECT_EQ(e.per_class[1].recall, 0);
  EXPECT_EQ(e.per_class[1].f1, 0);
  EXPECT_EQ(e.per_class[2].recall, 0);  // neither present nor predicted
  EXPECT_EQ(e.per_class[2].f1, 0);
  EXPECT_EQ(e.per_class[2].support, 0);
}

TEST(Metrics, RocAucOfPerfectAndReversedOrder) {
  EXPECT_EQ(auc({0, 0, 1, 1}, {1, 2, 3, 4}), 1);
  EXPECT_EQ(auc({0, 0, 1, 1}, {4, 3, 2, 1}), 0);
}

TEST(Metrics, RocAucCountsTiesHalf) {
  EXPECT_EQ(auc({0, 1, 0, 1, 1}, {5, 5, 5, 5, 5}), 0.5);
  EXPECT_EQ(auc({0, 0, 1, 1}, {0.1F, 0.4F, 0.4F, 0.8F}), 3.5 / 4);
  EXPECT_EQ(auc({1, 0, 1, 0, 0, 1}, {0.5F, 0.5F, 0.5F, 0.2F, 0.9F, 0.9F}), (1.5 + 1.5 + 2.5) / 9);
}

TEST(Metrics, RocAucTakesInfiniteScores) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(auc({0, 1, 1}, {-inf, -inf, inf}), 0.75);
}

TEST(Metrics, RocAucOfOneClassAloneIsNotANumber) {
  EXPECT_TRUE(std::isnan(auc({0, 0}, {1, 2})));
  EXPECT_TRUE(std::isnan(auc({1, 1}, {1, 2})));
}

// More pairs than 32 bits hold.
TEST(Metrics, RocAucIsExactOnManySamples) {
  const int n = 100000;
  Ints labels;
  Floats scores;
  for (int i = 0; i < n; ++i) {
    labels.push_back(i % 2);
    scores.push_back(static_cast<float>(i));
  }
  EXPECT_EQ(auc(labels, scores), (n / 2.0 + 1) / n);
}

TEST(Metrics, BadInputIsAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto message = [](int positive, const Ints& labels, const Ints& predictions, const Floats& scores) {
    return evaluate(2, positive, labels, predictions, scores).status().message();
  };
  EXPECT_EQ(message(1, {}, {}, {}), "no samples to evaluate");
  EXPECT_EQ(message(1, {0, 1}, {0}, {0, 0}), "2 labels, but 1 predictions and 2 scores");
  EXPECT_EQ(message(2, {0}, {0}, {0}), "the positive class is not one of the classes");
  EXPECT_EQ(message(1, {0, 2}, {0, 0}, {0, 0}), "label or prediction out of range (sample 1)");
  EXPECT_EQ(message(1, {0}, {-1}, {0}), "label or prediction out of range (sample 0)");
  EXPECT_EQ(message(1, {0, 1}, {0, 0}, {0, nan}), "the score is NaN (sample 1)");
}

}  // namespace
}  // namespace bauta
