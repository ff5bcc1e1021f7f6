// Wherever a data set's images are, a batch of them is the same.

#include "engine/data/image_feed.h"

#include <numeric>

#include "kernels/gather_images/gather_images.h"
#include "tests/engine/noise_dataset.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr int kBatch = 4;

Dataset noise() { return noise_dataset(11, {5, 6, 3}, {"a", "b"}); }

/// What gather_images makes of a batch, on the host.
std::vector<float> gathered(const Context& context, const Dataset& data, const DeviceBatch& batch) {
  const ImageSize size = data.image_size();
  auto places = DeviceBuffer<std::int32_t>::create(context, batch.places.size());
  auto augment = DeviceBuffer<AugmentParams>::create(context, batch.places.size());
  auto y = DeviceBuffer<float>::create(context, batch.places.size() * size.bytes());
  EXPECT_TRUE(copy_to_device(context, batch.places, places->span()).ok());
  EXPECT_TRUE(copy_to_device(context, batch.augment, augment->span()).ok());
  const GatherImagesShape shape{static_cast<int>(batch.places.size()), size.height, size.width, 3,
                                batch.image_count};
  EXPECT_TRUE(gather_images(context, shape, batch.images, places->data(),
                            batch.augment.empty() ? nullptr : augment->data(), y->data())
                  .ok());
  return *on_host<float>(context, y->span());
}

/// All batches of two epochs, the second from its middle on.
std::vector<std::vector<float>> batches(const Machine& machine, bool stream, ImageFeed::At at,
                                        Augment augment) {
  const Dataset data = noise();
  const Runner runner(machine);
  auto feed = ImageFeed::create(runner.context(), data, kBatch, stream);
  EXPECT_EQ(feed->at(), at);
  std::vector<int> order(11);
  std::iota(order.rbegin(), order.rend(), 0);
  std::vector<std::vector<float>> all;
  Activity activity;
  for (const int epoch : {0, 1}) {
    const auto loader = feed->load(
        order, {.batch = kBatch, .augment = augment, .epoch = epoch, .first_batch = epoch, .workers = 2});
    for (auto batch = feed->next(**loader, activity); *batch; batch = feed->next(**loader, activity)) {
      all.push_back(gathered(runner.context(), data, **batch));
    }
  }
  return all;
}

class ImageFeedTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ImageFeedTest);
INSTANTIATE_TEST_SUITE_P(Machines, ImageFeedTest, ::testing::ValuesIn(gpu_machines()), machine_name);

TEST_P(ImageFeedTest, ABatchIsTheSameFromTheHostTheDeviceAndAStream) {
  for (const Augment augment : {Augment::none, Augment::strong}) {
    const auto host = batches({"", Isa::portable, 1}, false, ImageFeed::At::host, augment);
    EXPECT_EQ(host.size(), 3U + 2U);
    EXPECT_EQ(batches(GetParam(), false, ImageFeed::At::device, augment), host);
    EXPECT_EQ(batches(GetParam(), true, ImageFeed::At::streamed, augment), host);
  }
}

// Ranks whose parts of the validation have different numbers of batches would read different slots after it.
TEST_P(ImageFeedTest, AStreamBeginsWithTheSameSlotHoweverManyBatchesCameBefore) {
  const Dataset data = noise();
  const Runner runner(GetParam());
  auto feed = ImageFeed::create(runner.context(), data, kBatch, /*stream=*/true);
  Activity activity;
  const auto first_images = [&](int batches) {
    std::vector<int> order(static_cast<std::size_t>(batches) * kBatch);
    const auto loader = feed->load(order, {.batch = kBatch});
    const std::uint8_t* first = nullptr;
    for (auto batch = feed->next(**loader, activity); *batch; batch = feed->next(**loader, activity)) {
      if (first == nullptr) first = (*batch)->images;
    }
    return first;
  };
  const std::uint8_t* const images = first_images(1);
  EXPECT_EQ(first_images(2), images);
  EXPECT_EQ(first_images(3), images);
}

TEST_P(ImageFeedTest, WhatIsComputedLateReadsItsOwnImages) {
  const Dataset data = noise();
  const std::size_t bytes = data.image_size().bytes();
  const Runner runner(GetParam());
  const Stream chain = std::move(*Stream::create(runner.context()));
  const Context context = chain.of(runner.context());
  auto feed = ImageFeed::create(context, data, kBatch, /*stream=*/true);
  auto places = DeviceBuffer<std::int32_t>::create(context, kBatch);
  ASSERT_TRUE(
      copy_to_device<std::int32_t>(context, std::vector<std::int32_t>{0, 1, 2, 3}, places->span()).ok());
  std::vector<DeviceBuffer<float>> ys;
  for (int i = 0; i < 21; ++i) ys.push_back(std::move(*DeviceBuffer<float>::create(context, kBatch * bytes)));
  std::vector<std::vector<int>> samples;
  Activity activity;
  // Loaders that are left in the middle of an epoch, the second with larger batches, and a whole one, each
  // with an order of its own.
  for (const auto& [batch, batches] :
       {std::pair(2, 1), std::pair(kBatch, 1), std::pair(kBatch, 3), std::pair(kBatch, 16)}) {
    std::vector<int> order(64);
    for (int i = 0; i < 64; ++i)
      order[static_cast<std::size_t>(i)] = (i * 7 + static_cast<int>(samples.size())) % 11;
    const auto loader = feed->load(order, {.batch = batch});
    for (int i = 0; i < batches; ++i) {
      const auto next = feed->next(**loader, activity);
      ASSERT_TRUE(next.ok() && *next);
      const DeviceBatch& got = **next;
      const int n = static_cast<int>(got.places.size());
      ASSERT_TRUE(gather_images(context, {n, 5, 6, 3, got.image_count}, got.images, places->data(), nullptr,
                                ys[samples.size()].data())
                      .ok());
      const auto first = order.begin() + i * batch;
      samples.emplace_back(first, first + n);
    }
  }
  for (std::size_t b = 0; b < samples.size(); ++b) {
    const auto y = on_host<float>(context, ys[b].span());
    for (std::size_t s = 0; s < samples[b].size(); ++s) {
      for (std::size_t k = 0; k < bytes; ++k)
        ASSERT_NEAR((*y)[s * bytes + k], data.pixels(samples[b][s])[k] / 255.0F, 1e-6F) << b << " " << s;
    }
  }
}

}  // namespace
}  // namespace bauta::testing
