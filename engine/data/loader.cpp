#include "engine/data/loader.h"

#include <algorithm>

namespace bauta {
namespace {

// One for each worker to fill, one in the consumer's hands, one ready for it.
std::size_t slot_count(const LoaderOptions& options) { return static_cast<std::size_t>(options.workers) + 2; }

// Of the largest batch that this process gets.
std::size_t slot_bytes(const Dataset& dataset, const LoaderOptions& options) {
  if (options.pixels == Pixels::none) return 0;
  return static_cast<std::size_t>(largest_part(options.batch, options.ranks)) * dataset.image_size().bytes();
}

}  // namespace

std::size_t Loader::pixel_bytes(const Dataset& dataset, const LoaderOptions& options) {
  return slot_count(options) * slot_bytes(dataset, options);
}

Loader::Loader(const Dataset& dataset, std::vector<int> order, const LoaderOptions& options)
    : dataset_(dataset),
      order_(std::move(order)),
      options_(options),
      batches_((static_cast<int>(order_.size()) + options.batch - 1) / options.batch),
      to_fill_(options.first_batch),
      consumed_(options.first_batch),
      current_(options.first_batch),
      slots_(slot_count(options)) {
  std::span<std::uint8_t> memory = options.memory;
  if (memory.empty()) {
    own_memory_.resize(pixel_bytes(dataset, options));
    memory = own_memory_;
  }
  const std::size_t bytes = slot_bytes(dataset, options);
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].pixels = memory.subspan(i * bytes, bytes);
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

  slot.augment.clear();
  if (options_.augment != Augment::none) {
    for (const int sample : samples) {
      slot.augment.push_back(
          augment_params(options_.augment, options_.seed, options_.epoch, sample, dataset_.image_size()));
    }
  }
  fill_pixels(slot, samples);
  slot.batch = {index,
                slot.pixels.first(options_.pixels == Pixels::none ? 0 : size * dataset_.image_size().bytes()),
                options_.pixels == Pixels::augmented ? std::span<const AugmentParams>() : slot.augment,
                std::span<const std::int32_t>(slot.global_labels).subspan(first, size),
                samples,
                slot.global_labels,
                part.shards};
}

void Loader::fill_pixels(Slot& slot, std::span<const int> samples) const {
  if (options_.pixels == Pixels::none) return;
  const ImageSize image = dataset_.image_size();
  const bool augments = options_.pixels == Pixels::augmented && options_.augment != Augment::none;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::span<const std::uint8_t> in = dataset_.pixels(samples[i]);
    const std::span<std::uint8_t> out = slot.pixels.subspan(i * image.bytes(), image.bytes());
    if (augments) {
      augment_image(slot.augment[i], image, in, out);
    } else {
      std::ranges::copy(in, out.begin());
    }
  }
}

}  // namespace bauta
