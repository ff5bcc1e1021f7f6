#include "engine/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/data/order.h"
#include "tests/engine/noise_dataset.h"

namespace bauta {
namespace {

Dataset noisy_dataset(int count) { return noise_dataset(count, {4, 6, 3}, {"a", "b", "c"}); }

struct OwnedBatch {
  int index;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels, global_labels;
  std::vector<int> samples;

  bool operator==(const OwnedBatch&) const = default;
};

std::vector<OwnedBatch> all_batches(const Dataset& data, const std::vector<int>& order,
                                    const LoaderOptions& options) {
  std::vector<OwnedBatch> batches;
  Loader loader(data, order, options);
  while (const std::optional<Batch> batch = loader.next()) {
    const auto copy = [](const auto& span) { return std::vector(span.begin(), span.end()); };
    batches.push_back({batch->index, copy(batch->pixels), copy(batch->labels), copy(batch->global_labels),
                       copy(batch->samples)});
  }
  EXPECT_FALSE(loader.next().has_value());
  return batches;
}

std::vector<int> shuffled(int count) {
  std::vector<int> samples(static_cast<std::size_t>(count));
  std::iota(samples.begin(), samples.end(), 0);
  return epoch_order(samples, 1, 0);
}

TEST(EpochOrder, IsAPermutationOfTheSamplesByEpochAndSeed) {
  const std::vector<int> samples = {3, 5, 8, 9, 11, 20, 21, 22, 23, 24};
  std::vector<int> order = epoch_order(samples, 1, 4);
  EXPECT_EQ(epoch_order(samples, 1, 4), order);
  EXPECT_NE(epoch_order(samples, 1, 5), order);
  EXPECT_NE(epoch_order(samples, 2, 4), order);
  std::ranges::sort(order);
  EXPECT_EQ(order, samples);
  EXPECT_EQ(epoch_order(samples, 1, 4, false), samples);
  EXPECT_TRUE(epoch_order({}, 1, 0).empty());
}

// What a run sees, and so its bits, is the same in every version.
TEST(EpochOrder, IsPinned) {
  EXPECT_EQ(epoch_order(std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}, 3, 2),
            (std::vector<int>{4, 0, 5, 6, 2, 3, 7, 1}));
}

TEST(EpochOrder, EveryOrderIsAsLikely) {
  std::map<std::vector<int>, int> times;
  for (int epoch = 0; epoch < 6000; ++epoch) ++times[epoch_order(std::vector<int>{0, 1, 2}, 1, epoch)];
  EXPECT_EQ(times.size(), 6U);
  for (const auto& [order, n] : times) EXPECT_NEAR(n, 1000, 120);
}

TEST(Loader, GivesTheOrderInBatches) {
  const Dataset data = noisy_dataset(10);
  const std::vector<int> order = {9, 1, 8, 0, 2, 7, 3, 6, 4};
  const std::vector<OwnedBatch> batches = all_batches(data, order, {.batch = 4, .workers = 2});
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(Loader(data, order, {.batch = 4}).batches(), 3);
  EXPECT_EQ(batches[1].index, 1);
  EXPECT_EQ(batches[0].samples, (std::vector<int>{9, 1, 8, 0}));
  EXPECT_EQ(batches[2].samples, std::vector<int>{4});
  EXPECT_EQ(batches[1].labels, (std::vector<std::int32_t>{2, 1, 0, 0}));
  EXPECT_EQ(batches[1].global_labels, batches[1].labels);
  EXPECT_TRUE(std::ranges::equal(batches[2].pixels, data.pixels(4)));
}

TEST(Loader, DoesNotDependOnTheNumberOfWorkers) {
  const Dataset data = noisy_dataset(101);
  for (Augment augment : {Augment::none, Augment::light, Augment::strong}) {
    LoaderOptions options{.batch = 8, .augment = augment, .seed = 3, .epoch = 2, .workers = 1};
    const std::vector<OwnedBatch> one = all_batches(data, shuffled(101), options);
    EXPECT_EQ(one.size(), 13U);
    for (int workers : {2, 5, 40}) {
      options.workers = workers;
      EXPECT_EQ(all_batches(data, shuffled(101), options), one) << workers << " workers";
    }
  }
}

TEST(BatchPart, PartsAreNeighboursAndNoneIsLargerThanAnEvenShareRoundedUp) {
  for (int ranks : {1, 2, 3, 4, 5, 7, 8, 16}) {
    for (int batch = 1; batch <= 40; ++batch) {
      int next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const BatchPart part = batch_part(batch, rank, ranks);
        EXPECT_EQ(part.first, next);
        EXPECT_LE(part.size(), (batch + ranks - 1) / ranks)
            << batch << " images, rank " << rank << " of " << ranks;
        next += part.size();
      }
      EXPECT_EQ(next, batch);
    }
  }
}

TEST(Loader, SlicesOfTheRanksMakeUpTheBatch) {
  const Dataset data = noisy_dataset(101);  // the last batch has 5 samples: some of 8 ranks get none
  LoaderOptions options{.batch = 12, .augment = Augment::strong, .seed = 3, .workers = 2};
  const std::vector<OwnedBatch> whole = all_batches(data, shuffled(101), options);
  for (int ranks : {2, 3, 4, 7, 8, 16}) {
    std::vector<OwnedBatch> joined = whole;
    for (OwnedBatch& batch : joined) batch.pixels.clear(), batch.labels.clear(), batch.samples.clear();
    options.ranks = ranks;
    for (int rank = 0; rank < ranks; ++rank) {
      options.rank = rank;
      const std::vector<OwnedBatch> slices = all_batches(data, shuffled(101), options);
      ASSERT_EQ(slices.size(), whole.size());
      for (std::size_t b = 0; b < slices.size(); ++b) {
        const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
        append(joined[b].pixels, slices[b].pixels);
        append(joined[b].labels, slices[b].labels);
        append(joined[b].samples, slices[b].samples);
        EXPECT_EQ(slices[b].global_labels, whole[b].global_labels);
      }
    }
    EXPECT_EQ(joined, whole) << ranks << " ranks";
  }
}

TEST(Loader, GoesOnFromAnyBatch) {
  const Dataset data = noisy_dataset(50);
  LoaderOptions options{.batch = 8, .augment = Augment::strong, .seed = 3, .workers = 3};
  const std::vector<OwnedBatch> whole = all_batches(data, shuffled(50), options);
  for (int first : {1, 6, 7, 9}) {
    options.first_batch = first;
    const std::size_t skipped = std::min<std::size_t>(static_cast<std::size_t>(first), whole.size());
    const std::vector<OwnedBatch> rest(whole.begin() + static_cast<std::ptrdiff_t>(skipped), whole.end());
    EXPECT_EQ(all_batches(data, shuffled(50), options), rest);
  }
}

TEST(Loader, AugmentsAnewInEveryEpoch) {
  const Dataset data = noisy_dataset(16);
  const LoaderOptions first{.augment = Augment::strong, .seed = 3, .epoch = 0};
  const LoaderOptions second{.augment = Augment::strong, .seed = 3, .epoch = 1};
  EXPECT_NE(all_batches(data, shuffled(16), first), all_batches(data, shuffled(16), second));
}

TEST(Loader, StopsBeforeItsEnd) {
  const Dataset data = noisy_dataset(200);
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(data, shuffled(200), {.batch = 4, .augment = Augment::strong, .workers = 3});
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader.next().has_value());
  }
}

TEST(Loader, AnEmptyOrderHasNoBatches) { EXPECT_TRUE(all_batches(noisy_dataset(1), {}, {}).empty()); }

}  // namespace
}  // namespace bauta
