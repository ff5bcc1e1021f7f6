#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/data/image_feed.h"

namespace bauta {

/// Images and labels that are the whole of a global batch, on a device: to train on one batch without a data
/// set and a loader.
class WholeBatch {
 public:
  /// pixels [N, H, W, C], labels [N]; both are copied.
  static Result<WholeBatch> create(const Context&, std::span<const std::uint8_t> pixels,
                                   std::vector<std::int32_t> labels);

  /// Valid as long as this is.
  DeviceBatch get() const;

 private:
  DeviceBuffer<std::uint8_t> images_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int32_t> places_;
};

}  // namespace bauta
