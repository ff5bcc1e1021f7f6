#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "engine/data/augment.h"
#include "engine/data/batch_part.h"
#include "engine/data/dataset.h"
#include "kernels/common.h"

namespace bauta {

/// What a Loader does with the pixels of a batch.
enum class Pixels {
  augmented,  ///< copies and augments them
  plain,      ///< copies them, and says how they are to be augmented
  none,       ///< leaves them to others, and says how they are to be augmented
};

/// What a Loader makes of an order of samples.
struct LoaderOptions {
  int batch = 32;  ///< B, samples of a global batch; at least 1
  Augment augment = Augment::none;
  std::uint64_t seed = 0;  ///< of the augmentation
  int epoch = 0;           ///< of the augmentation, from 0
  int first_batch = 0;     ///< the batch to begin with, to go on where a run was stopped
  int workers = 4;         ///< threads that prepare batches; at least 1
  int rank = 0;            ///< this process's part of every global batch: see batch_part
  int ranks = 1;
  Pixels pixels = Pixels::augmented;
  std::span<std::uint8_t> memory{};  ///< where pixels are copied to: pixel_bytes(); empty: memory of its own
};

/// One batch, or this process's slice of it: n samples, fewer than the batch size in the last batch, and 0
/// where that has nothing for this process.
struct Batch {
  int index = 0;                                ///< of the global batch in the epoch, from 0
  std::span<const std::uint8_t> pixels;         ///< [n, H, W, 3]; none for Pixels::none
  std::span<const AugmentParams> augment;       ///< [n] how they are to be augmented; empty: not any more
  std::span<const std::int32_t> labels;         ///< [n]
  std::span<const int> samples;                 ///< [n] indices in the data set
  std::span<const std::int32_t> global_labels;  ///< of the whole global batch
  Shards shards;                                ///< how this process adds up its samples: see BatchPart
};

/// Prepares batches ahead of their consumer in threads of its own. Global batch b holds the samples at
/// positions [b·B, min((b+1)·B, N)) of the order; this process gets its batch_part of it. What comes out does
/// not depend on the number of workers, and a slice of a batch is the same bytes on any rank.
class Loader {
 public:
  /// Bytes that a loader with these options copies pixels to.
  static std::size_t pixel_bytes(const Dataset& dataset, const LoaderOptions& options);

  /// `dataset` outlives the loader; `order` holds indices of its samples.
  Loader(const Dataset& dataset, std::vector<int> order, const LoaderOptions& options);
  /// Stops the workers, whether or not all batches were asked for.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Global batches in the whole order, those before first_batch included.
  int batches() const { return batches_; }

  /// The next batch, in order, waiting for it if need be; none after the last. Its spans are valid until the
  /// next call. One consumer at a time.
  std::optional<Batch> next();

 private:
  /// Room for one batch; batch b lies in slot b mod slots.
  struct Slot {
    std::span<std::uint8_t> pixels;  // room for a whole batch
    std::vector<AugmentParams> augment;
    std::vector<std::int32_t> global_labels;
    Batch batch;
    bool ready = false;  // filled and not yet given back; guarded by mutex_
  };

  Slot& slot_of(int batch) { return slots_[static_cast<std::size_t>(batch) % slots_.size()]; }
  void work();
  void fill(Slot& slot, int index) const;
  void fill_pixels(Slot& slot, std::span<const int> samples) const;

  const Dataset& dataset_;
  const std::vector<int> order_;
  const LoaderOptions options_;
  const int batches_;

  std::mutex mutex_;
  std::condition_variable filled_;  // a slot became ready
  std::condition_variable freed_;   // a slot became free, or stop_
  int to_fill_;                     // the next batch that no worker has taken
  int consumed_;                    // batches whose slot the consumer has given back
  int current_;                     // the next batch to hand out
  bool stop_ = false;
  std::vector<std::uint8_t> own_memory_;
  std::vector<Slot> slots_;
  std::vector<std::thread> workers_;
};

}  // namespace bauta
