#include "engine/data/whole_batch.h"

#include <numeric>
#include <utility>

namespace bauta {

Result<WholeBatch> WholeBatch::create(const Context& context, std::span<const std::uint8_t> pixels,
                                      std::vector<std::int32_t> labels) {
  WholeBatch result;
  BAUTA_TRY(result.images_.allocate(context, pixels.size()));
  BAUTA_TRY(copy_to_device<std::uint8_t>(context, pixels, result.images_.span()));
  result.places_.resize(labels.size());
  std::iota(result.places_.begin(), result.places_.end(), 0);
  result.labels_ = std::move(labels);
  return result;
}

DeviceBatch WholeBatch::get() const {
  DeviceBatch batch;
  batch.labels = batch.global_labels = labels_;
  batch.shards = Shards{static_cast<int>(labels_.size())};
  batch.images = images_.data();
  batch.image_count = static_cast<int>(labels_.size());
  batch.places = places_;
  return batch;
}

}  // namespace bauta
