#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "engine/data/image_feed.h"

namespace bauta::testing {

/// Images and labels that are the whole of a global batch, on a device.
class WholeBatch {
 public:
  WholeBatch(const Context& context, std::span<const std::uint8_t> pixels,
             std::span<const std::int32_t> labels)
      : images_(std::move(*DeviceBuffer<std::uint8_t>::create(context, pixels.size()))),
        labels_(labels.begin(), labels.end()),
        places_(labels.size()) {
    std::iota(places_.begin(), places_.end(), 0);
    EXPECT_TRUE(copy_to_device(context, pixels, images_.span()).ok());
  }

  DeviceBatch get() const {
    DeviceBatch batch;
    batch.labels = batch.global_labels = labels_;
    batch.shards = Shards{static_cast<int>(labels_.size())};
    batch.images = images_.data();
    batch.image_count = static_cast<int>(labels_.size());
    batch.places = places_;
    return batch;
  }

 private:
  DeviceBuffer<std::uint8_t> images_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int32_t> places_;
};

}  // namespace bauta::testing
