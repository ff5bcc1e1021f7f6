#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/core/device.h"
#include "engine/core/stream.h"
#include "engine/data/loader.h"

namespace bauta {

/// A batch whose images the device can reach.
struct DeviceBatch : Batch {
  const std::uint8_t* images = nullptr;  ///< [M, H, W, C] bytes in the device's memory
  int image_count = 0;                   ///< M
  std::span<const std::int32_t> places;  ///< [n] where each sample is among the images
  const Event* there = nullptr;          ///< the mark behind which the images are there; null: they are
};

/// Brings a data set's images to the device that computes on them.
class ImageFeed {
 public:
  /// Where they are when it does.
  enum class At {
    host,      ///< in the host's memory, augmented by the loader's threads
    device,    ///< all of them in the device's memory, put there once
    streamed,  ///< copied batch by batch, while the device computes on the batch before
  };

  /// For batches of up to `max_batch` samples. A device with memory of its own gets the whole data set where
  /// that leaves room, unless it is to be streamed; where one rank has to stream, all do, so that all give
  /// their devices the same work. Collective. The context's pool and the data set outlive the feed.
  static Result<ImageFeed> create(const Context&, const Dataset&, int max_batch, bool stream = false,
                                  Communicator& communicator = alone());

  const Dataset& dataset() const { return *dataset_; }
  At at() const { return at_; }

  /// A loader for next(), one at a time. What it does with pixels is the feed's; the rest are the options.
  Result<std::unique_ptr<Loader>> load(std::vector<int> order, LoaderOptions options);

  /// The loader's next batch; none after the last. Its images are there for what the context's stream is
  /// given next, up to the next call, and for other streams behind DeviceBatch::there, if the context's then
  /// waits for these; its other arrays are the host's, and valid as long. Waits for the device are the
  /// activity's.
  Result<std::optional<DeviceBatch>> next(Loader&, Activity&);

 private:
  /// A batch's pixels on the device, and the mark behind all work that reads them.
  struct Slot {
    DeviceBuffer<std::uint8_t> pixels;
    Event used;
  };

  ImageFeed(const Context& context, const Dataset& dataset) : context_(context), dataset_(&dataset) {}
  Status open_stream(int max_batch);
  Status copy(const Batch&);

  Context context_;
  const Dataset* dataset_;
  At at_ = At::host;
  std::vector<std::int32_t> counting_;  // 0, 1, 2 ...: the places of samples that lie in order
  DeviceBuffer<std::uint8_t> resident_;
  // Streamed.
  TransferBuffer<std::uint8_t> staged_;  // the loader's
  Stream copying_;
  Event copied_;
  std::array<Slot, 2> slots_;  // one is computed on, one is copied to
  std::size_t slot_ = 0;
};

}  // namespace bauta
