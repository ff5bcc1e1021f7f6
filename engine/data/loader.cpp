#include "engine/data/loader.h"

#include <algorithm>

namespace bauta {

Loader::Loader(const Dataset& dataset, std::vector<int> order, const LoaderOptions& options)
    : dataset_(dataset),
      order_(std::move(order)),
      options_(options),
      batches_((static_cast<int>(order_.size()) + options.batch - 1) / options.batch),
      to_fill_(options.first_batch),
      consumed_(options.first_batch),
      current_(options.first_batch),
      // One for each worker to fill, one in the consumer's hands, one ready for it.
      slots_(static_cast<std::size_t>(options.workers) + 2) {
  for (int i = 0; i < options.workers; ++i) workers_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  freed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::optional<Batch> Loader::next() {
  std::unique_lock lock(mutex_);
  if (consumed_ < current_) {
    slot_of(consumed_).ready = false;
    ++consumed_;
    freed_.notify_one();
  }
  if (current_ >= batches_) return std::nullopt;
  Slot& slot = slot_of(current_);
  filled_.wait(lock, [&] { return slot.ready; });
  ++current_;
  return slot.batch;
}

void Loader::work() {
  const int slots = static_cast<int>(slots_.size());
  std::unique_lock lock(mutex_);
  for (;;) {
    freed_.wait(lock, [&] { return stop_ || to_fill_ >= batches_ || to_fill_ < consumed_ + slots; });
    if (stop_ || to_fill_ >= batches_) return;
    const int index = to_fill_++;
    // The last batch is taken: workers that wait for another have nothing left to do.
    if (to_fill_ == batches_) freed_.notify_all();
    lock.unlock();
    fill(slot_of(index), index);
    lock.lock();
    slot_of(index).ready = true;
    filled_.notify_one();
  }
}

void Loader::fill(Slot& slot, int index) const {
  const int begin = index * options_.batch;
  const int count = std::min(options_.batch, static_cast<int>(order_.size()) - begin);
  const std::span<const int> batch =
      std::span(order_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  slot.global_labels.clear();
  for (int sample : batch) slot.global_labels.push_back(dataset_.label(sample));

  const BatchPart part = batch_part(count, options_.rank, options_.ranks);
  const auto first = static_cast<std::size_t>(part.first);
  const auto size = static_cast<std::size_t>(part.size());
  const std::span<const int> samples = batch.subspan(first, size);

  const ImageSize image = dataset_.image_size();
  slot.pixels.resize(size * image.bytes());
  for (std::size_t i = 0; i < size; ++i) {
    const std::span<const std::uint8_t> in = dataset_.pixels(samples[i]);
    const std::span<std::uint8_t> out = std::span(slot.pixels).subspan(i * image.bytes(), image.bytes());
    if (options_.augment == Augment::none) {
      std::ranges::copy(in, out.begin());
    } else {
      augment_image(augment_params(options_.augment, options_.seed, options_.epoch, samples[i], image), image,
                    in, out);
    }
  }
  slot.batch = {
      index,   slot.pixels,        std::span<const std::int32_t>(slot.global_labels).subspan(first, size),
      samples, slot.global_labels, part.shards};
}

}  // namespace bauta
