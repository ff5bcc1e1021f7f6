#include "engine/data/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/core/rng.h"

namespace bauta {
namespace {

const std::vector<std::string> kClasses = {"without_mask", "with_mask"};

/// `counts[c]` labels of each class, interleaved.
std::vector<std::int32_t> labels_of(std::vector<int> counts) {
  std::vector<std::int32_t> labels;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0) continue;
      labels.push_back(static_cast<std::int32_t>(c));
      more = --counts[c] > 0 || more;
    }
  }
  return labels;
}

Split split(const std::vector<std::int32_t>& labels, const std::vector<std::int32_t>& groups, double fraction,
            std::uint64_t seed = 1) {
  Result<Split> result = split_dataset(labels, groups, kClasses, fraction, seed);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? *result : Split();
}

std::vector<int> class_counts(const std::vector<int>& part, const std::vector<std::int32_t>& labels) {
  std::vector<int> counts(2, 0);
  for (int i : part) ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
  return counts;
}

void expect_partition(const Split& split, std::size_t size) {
  EXPECT_TRUE(std::ranges::is_sorted(split.train));
  EXPECT_TRUE(std::ranges::is_sorted(split.val));
  std::set<int> all(split.train.begin(), split.train.end());
  all.insert(split.val.begin(), split.val.end());
  EXPECT_EQ(all.size(), size);
  EXPECT_EQ(split.train.size() + split.val.size(), size);
}

TEST(Split, TakesTheRoundedShareOfEveryClass) {
  const std::vector<std::int32_t> labels = labels_of({900, 55});
  for (double fraction : {0.1, 0.3, 0.017}) {
    const Split contents = split(labels, {}, fraction);
    expect_partition(contents, labels.size());
    EXPECT_EQ(class_counts(contents.val, labels),
              (std::vector<int>{static_cast<int>(std::lround(900 * fraction)),
                                static_cast<int>(std::lround(55 * fraction))}));
  }
}

TEST(Split, DependsOnTheSeedAlone) {
  const std::vector<std::int32_t> labels = labels_of({50, 50});
  EXPECT_EQ(split(labels, {}, 0.3, 7).val, split(labels, {}, 0.3, 7).val);
  EXPECT_NE(split(labels, {}, 0.3, 7).val, split(labels, {}, 0.3, 8).val);
}

TEST(Split, EverySampleIsAsLikelyToValidate) {
  const std::vector<std::int32_t> labels = labels_of({10, 10});
  std::vector<int> times(labels.size(), 0);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    for (int i : split(labels, {}, 0.3, seed).val) ++times[static_cast<std::size_t>(i)];
  }
  for (int n : times) EXPECT_NEAR(n, 600, 100);
}

TEST(Split, WithoutValidationTrainsOnEverything) {
  const std::vector<std::int32_t> labels = labels_of({3, 2});
  const Split contents = split(labels, {0, 0, -1, 1, 1}, 0);
  EXPECT_TRUE(contents.val.empty());
  EXPECT_EQ(contents.train, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Split, KeepsGroupsWholeAndComesCloseToTheShares) {
  Rng rng(3, RngStream::init);
  const std::vector<std::int32_t> labels = labels_of({1000, 200});
  std::vector<std::int32_t> groups(labels.size());
  // Groups of up to 20, some of both classes, and some samples on their own.
  for (std::int32_t& group : groups) group = static_cast<std::int32_t>(rng.below(120)) - 1;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Split contents = split(labels, groups, 0.2, seed);
    expect_partition(contents, labels.size());
    std::set<std::int32_t> training;
    for (int i : contents.train) training.insert(groups[static_cast<std::size_t>(i)]);
    for (int i : contents.val) {
      const std::int32_t group = groups[static_cast<std::size_t>(i)];
      EXPECT_TRUE(group < 0 || !training.contains(group)) << group;
    }
    const std::vector<int> val = class_counts(contents.val, labels);
    EXPECT_NEAR(val[0], 200, 10);
    EXPECT_NEAR(val[1], 40, 5);
  }
}

// One of each class is wanted: two are as far from that as none.
TEST(Split, LeavesAGroupThatComesNoCloser) {
  const std::vector<std::int32_t> labels = {0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<std::int32_t> groups = {0, 0, 1, 1, 2, 2, 3, 3};
  EXPECT_FALSE(split_dataset(labels, groups, kClasses, 0.25, 1).ok());
}

TEST(Split, OvershootsWithAGroupThatComesCloser) {
  // Three of 10 are wanted per class; groups hold 4 of one class each, the rest 3.
  const std::vector<std::int32_t> labels = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<std::int32_t> groups = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4};
  const Split contents = split(labels, groups, 0.3);
  EXPECT_EQ(class_counts(contents.val, labels), (std::vector<int>{5, 3}));
}

TEST(Split, AClassWithNothingLeftIsAnError) {
  const auto error = [](const std::vector<std::int32_t>& labels, const std::vector<std::int32_t>& groups,
                        double fraction) {
    return split_dataset(labels, groups, kClasses, fraction, 1).status().message();
  };
  EXPECT_EQ(error(labels_of({100, 4}), {}, 0.1),
            "no image of class with_mask would be left to validate on (4 images, --val 0.1): give "
            "more images (or groups) of this class, a larger --val, or --val 0");
  EXPECT_NE(error(labels_of({100, 2}), {}, 0.9).find("left to train on"), std::string::npos);
  // One group holds the whole class.
  EXPECT_NE(error({0, 0, 0, 0, 1, 1}, {0, 1, 2, 3, 4, 4}, 0.25).find("class with_mask"), std::string::npos);
}

TEST(Split, TheValidationPartIsChecked) {
  for (double fraction : {-0.1, 1.0, 7.0, std::numeric_limits<double>::quiet_NaN()}) {
    const Result<Split> result = split_dataset(labels_of({5, 5}), {}, kClasses, fraction, 1);
    EXPECT_TRUE(!result.ok() && result.status().is_usage()) << fraction;
  }
}

constexpr Part kTrain = Part::train;
constexpr Part kVal = Part::val;
constexpr Part kTest = Part::test;

/// Samples of the two classes by turns, eight or as many as there are parts.
Dataset samples_of(std::vector<Part> own_parts) {
  Dataset::Contents contents;
  contents.classes = kClasses;
  const std::size_t count = own_parts.empty() ? 8 : own_parts.size();
  for (std::size_t i = 0; i < count; ++i) contents.labels.push_back(static_cast<std::int32_t>(i % 2));
  contents.parts = std::move(own_parts);
  return Dataset(std::move(contents));
}

TEST(Split, ADataSetsOwnPartsAreTaken) {
  const Dataset data = samples_of({kTrain, kTrain, kVal, kVal, kTest, kTrain, kVal, kTest});
  EXPECT_TRUE(has_own_validation(data));
  const Result<Split> own = split_dataset(data, {}, 3);
  ASSERT_TRUE(own.ok()) << own.status().message();
  EXPECT_EQ(own->train, (std::vector<int>{0, 1, 5}));
  EXPECT_EQ(own->val, (std::vector<int>{2, 3, 6}));
  const Result<Split> all = split_dataset(data, 0.0, 3);
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_EQ(all->train, (std::vector<int>{0, 1, 2, 3, 5, 6}));
  EXPECT_TRUE(all->val.empty());
}

TEST(Split, OtherDataSetsAreSplitAtRandom) {
  const Dataset data = samples_of({});
  EXPECT_FALSE(has_own_validation(data));
  for (const double fraction : {0.4, 0.0}) {
    const Result<Split> contents = split_dataset(data, fraction, 3);
    const auto wanted = split_dataset(data.labels(), data.groups(), kClasses, fraction, 3);
    ASSERT_TRUE(contents.ok() && wanted.ok());
    EXPECT_EQ(contents->train, wanted->train);
    EXPECT_EQ(contents->val, wanted->val);
  }
  const std::vector<std::int32_t> labels = labels_of({50, 30});
  Dataset::Contents large;
  large.classes = kClasses;
  large.labels = labels;
  EXPECT_EQ(split_dataset(Dataset(large), {}, 3)->val, split(labels, {}, 0.1, 3).val);
}

TEST(Split, WhereOnlyWhatIsThereToTestIsSaidTheRestIsSplitAtRandom) {
  const Dataset data = samples_of({kTest, kTest, kTrain, kTrain, kTest, kTrain, kTrain, kTrain});
  const Result<Split> contents = split_dataset(data, 0.5, 3);
  ASSERT_TRUE(contents.ok()) << contents.status().message();
  const std::vector<std::int32_t> rest = {0, 1, 1, 0, 1};
  const Split wanted = split(rest, {}, 0.5, 3);
  const std::vector<int> samples = {2, 3, 5, 6, 7};
  std::vector<int> expected;
  for (int i : wanted.val) expected.push_back(samples[static_cast<std::size_t>(i)]);
  EXPECT_EQ(contents->val, expected);
  EXPECT_EQ(contents->train.size() + contents->val.size(), samples.size());
}

TEST(Split, OwnPartsThatLackAClassOrAFractionBesideAreErrors) {
  const auto error = [](std::vector<Part> contents, std::optional<double> fraction = {}) {
    return split_dataset(samples_of(std::move(contents)), fraction, 3).status().message();
  };
  EXPECT_EQ(
      error({kTrain, kVal, kVal, kTest}),
      "the data set comes split, without an image of class with_mask to train on (--data): put some there, "
      "or make a manifest without split");
  EXPECT_EQ(error({kTrain, kTrain, kVal, kTest}),
            "the data set comes split, without an image of class with_mask to validate on (--data): put some "
            "there, or make a manifest without split");
  EXPECT_EQ(error({kTrain, kTrain, kVal, kVal}, 0.1),
            "the data set says itself what validates (--val): leave it out, or use 0 to train on that, too");
  EXPECT_NE(error({kTest, kTest}), "");
}

TEST(Split, WhereOnlyWhatIsThereToTestIsSaidGroupsStayWhole) {
  // Groups of the rest: 0 0 1 1 and 2 2 3 3, each of one class; what is there to test lies in front.
  Dataset::Contents contents;
  contents.classes = kClasses;
  contents.parts = {kTest, kTest, kTrain, kTrain, kTrain, kTrain, kTrain, kTrain, kTrain, kTrain};
  contents.labels = {0, 1, 0, 0, 0, 0, 1, 1, 1, 1};
  contents.groups = {0, 0, 1, 2, 1, 2, 3, 4, 3, 4};
  const Dataset data(std::move(contents));
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Result<Split> split = split_dataset(data, 0.5, seed);
    ASSERT_TRUE(split.ok()) << split.status().message();
    std::set<std::int32_t> training;
    for (int i : split->train) training.insert(data.groups()[static_cast<std::size_t>(i)]);
    for (int i : split->val)
      EXPECT_FALSE(training.contains(data.groups()[static_cast<std::size_t>(i)])) << seed;
    EXPECT_EQ(split->val.size(), 4U);
  }
}

}  // namespace
}  // namespace bauta
