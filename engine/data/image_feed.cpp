#include "engine/data/image_feed.h"

#include <numeric>

namespace bauta {

Result<ImageFeed> ImageFeed::create(const Context& context, const Dataset& dataset, int max_batch,
                                    bool stream, Communicator& communicator) {
  ImageFeed feed(context, dataset);
  feed.counting_.resize(static_cast<std::size_t>(max_batch));
  std::iota(feed.counting_.begin(), feed.counting_.end(), 0);
  if (reads_host_memory(context)) return feed;

  const std::span<const std::uint8_t> pixels = dataset.all_pixels();
  const auto free = free_memory(context);
  if (!free.ok()) return free.status();
  const bool must_stream = stream || *free < kGpuReserve || *free - kGpuReserve < pixels.size();
  const auto streams = on_any_rank(communicator, must_stream);
  if (!streams.ok()) return streams.status();
  if (*streams) {
    BAUTA_TRY(feed.open_stream(max_batch));
    return feed;
  }
  feed.at_ = At::device;
  BAUTA_TRY(feed.resident_.allocate(context, pixels.size()));
  BAUTA_TRY(copy_to_device(context, pixels, feed.resident_.span()));
  return feed;
}

Status ImageFeed::open_stream(int max_batch) {
  at_ = At::streamed;
  BAUTA_TRY(put_into(copying_, Stream::create(context_)));
  BAUTA_TRY(put_into(copied_, Event::create(context_)));
  for (Slot& slot : slots_) {
    const std::size_t bytes = static_cast<std::size_t>(max_batch) * dataset_->image_size().bytes();
    BAUTA_TRY(slot.pixels.allocate(context_, bytes));
    BAUTA_TRY(put_into(slot.used, Event::create(context_)));
  }
  return {};
}

Result<std::unique_ptr<Loader>> ImageFeed::load(std::vector<int> order, LoaderOptions options) {
  options.pixels = at_ == At::host ? Pixels::augmented : at_ == At::device ? Pixels::none : Pixels::plain;
  if (at_ == At::streamed) {
    const std::size_t bytes = Loader::pixel_bytes(*dataset_, options);
    BAUTA_TRY(copied_.wait());  // an earlier loader's last batch may be on its way
    if (staged_.size() < bytes) BAUTA_TRY(staged_.allocate(context_, bytes));
    options.memory = staged_.span();
    // Loaders begin with the same slot, however many batches came before: on all ranks steps read the same
    // slots then, and are recorded together.
    BAUTA_TRY(slots_[slot_].used.record(context_));
    slot_ = 0;
  }
  return std::make_unique<Loader>(*dataset_, std::move(order), options);
}

Result<std::optional<DeviceBatch>> ImageFeed::next(Loader& loader, Activity& activity) {
  // The loader is about to take back the pixels that are copied, and the device has all work on them.
  if (at_ == At::streamed) {
    const Activity::Work work(activity, Activity::Kind::waits_for_gpu);
    BAUTA_TRY(slots_[slot_].used.record(context_));
    BAUTA_TRY(copied_.wait());
  }
  const auto loaded = [&] {
    const Activity::Work reading(activity, Activity::Kind::unwatched);
    return loader.next();
  }();
  if (!loaded) return std::optional<DeviceBatch>();
  DeviceBatch batch{*loaded, resident_.data(), dataset_->size(), loaded->samples, nullptr};
  if (at_ == At::device) return std::optional(batch);
  batch.image_count = static_cast<int>(loaded->samples.size());
  batch.places = std::span(counting_).first(loaded->samples.size());
  batch.images = loaded->pixels.data();
  if (at_ == At::streamed) {
    BAUTA_TRY(copy(*loaded));
    batch.images = slots_[slot_].pixels.data();
    batch.there = &copied_;
  }
  return std::optional(batch);
}

// To the slot that the batch before the last was computed on.
Status ImageFeed::copy(const Batch& batch) {
  slot_ = (slot_ + 1) % slots_.size();
  const Context copying = copying_.of(context_);
  BAUTA_TRY(slots_[slot_].used.make_wait(copying));
  BAUTA_TRY(start_copy_to_device(copying, batch.pixels, slots_[slot_].pixels.span()));
  BAUTA_TRY(copied_.record(copying));
  return copied_.make_wait(context_);
}

}  // namespace bauta
