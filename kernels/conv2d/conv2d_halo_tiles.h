#pragma once

#include "kernels/conv2d/conv2d_tiles.h"

/// Patches of 8x16 positions of a convolution whose kernel is 3x3 and whose stride is 1, and the halo tiles
/// of an image that they read, 10x18 pixels, in shared memory.
///
/// A reader brings them there: prefetch(from) is told where the next halo tile begins, fill(halo) puts it
/// into place, in bf16. Between the two a block computes the patch before.
///
///   HaloReader          reads from prefetch() on, by cp.async. What has arrived waits in shared memory,
///                       not yet rounded, where each thread has slots of its own: no registers, no barrier
///   OnDemandHaloReader  reads in fill(), where shared memory has no room for that
namespace bauta::BAUTA_DEVICE {

inline constexpr int kPatchKernel = 3;
inline constexpr int kPatchTaps = kPatchKernel * kPatchKernel;
inline constexpr int kPatchRows = 8;
inline constexpr int kPatchColumns = 16;
inline constexpr int kHaloRows = kPatchRows + kPatchKernel - 1;
inline constexpr int kHaloColumns = kPatchColumns + kPatchKernel - 1;
inline constexpr int kHaloPixels = kHaloRows * kHaloColumns;

/// A halo tile of an image in shared memory: of each pixel kChannels, 32, 64, or 8, of which the image may
/// have fewer, and zeros. From pixel to pixel it is an odd number of 16 bytes, so that the eight rows of an
/// ldmatrix lie in different banks.
template <int kChannels>
struct HaloTile {
  static constexpr int kPitch = kChannels / 8 % 2 == 1 ? kChannels : kChannels + 8;
  static constexpr std::size_t kBytes = kHaloPixels * kPitch * sizeof(bf16);
  /// Of the product: taps and channels, in whole mma.
  static constexpr int kDepth = ceil_div(kPatchTaps * kChannels, 16) * 16;

  using Array = Shared<bf16, kHaloPixels * kPitch>;

  /// Eight neighbours in k: channels from `channel` on, `pixel` after that of a position's first tap.
  struct Step {
    int pixel, channel;
  };
  /// The lower or upper half of the 16 from k on. Behind the last tap it repeats the last one; the
  /// weights there are zero, or the row is not stored. (An infinity there becomes a NaN.)
  __device__ __forceinline__ static Step step(int k, int half) {
    const int tap = kChannels == 8 ? min(k / 8 + half, kPatchTaps - 1) : k / kChannels;
    const int channel = kChannels == 8 ? 0 : k % kChannels + 8 * half;
    return {tap / kPatchKernel * kHaloColumns + tap % kPatchKernel, channel};
  }
};

/// The patches of all samples, counted like the pixels of a raster.
struct Patches {
  Raster raster;
  int count;
  FastDivmod by_channels;  ///< of the image that they read

  Patches(int batch, int height, int width, int channels)
      : raster(ceil_div(height, kPatchRows), ceil_div(width, kPatchColumns)),
        count(batch * ceil_div(height, kPatchRows) * ceil_div(width, kPatchColumns)),
        by_channels(channels) {}

  /// A patch's first position.
  __device__ __forceinline__ Raster::Position first(int patch) const {
    const auto at = raster.position(patch);
    return {at.n, at.i * kPatchRows, at.j * kPatchColumns};
  }
};

/// Row m of a patch's product, as a position of the patch: row after row.
__device__ __forceinline__ Raster::Position position_in_patch(int m) {
  return {0, m / kPatchColumns, m % kPatchColumns};
}

/// Vectors of a thread that are on their way to shared memory at a time, at most.
inline constexpr int kVectorsAtOnce = 12;

/// Vectors of those that have arrived which a thread takes before it puts the first of them into place: slots
/// and halo tiles are one array for nvcc, in which no read moves ahead of a write. Before sm_90 more would
/// spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
inline constexpr int kStagedAtOnce = 3;
#else
inline constexpr int kStagedAtOnce = kVectorsAtOnce;
#endif

/// What a group's threads have prefetched, kCount vectors each, until fill() puts them into place.
template <class Tile, int kVector, int kCount>
using StagingBuffer = Shared<float, kCount, Tile::kThreads, kVector>;

template <int kVector, class Slots>
__device__ __forceinline__ Values<kVector> staged(Slots&& slots, int i) {
  Values<kVector> result;
  load_vector<kVector>(result.values, &slots[i][thread_in_group()][0]);
  return result;
}

/// A thread's vectors of a halo tile of 32 or 64 channels, as many as the image has.
template <int kChannels, class Tile>
struct HaloThreadMap {
  using Rows = ThreadMap<Tile, 4, kHaloPixels, kChannels>;
  static constexpr int kCount = Rows::kCount;

  __device__ __forceinline__ static Address<4> at(const Images& images, const Raster::Position& from, int i) {
    const int pixel = Rows::row(i);
    const Place place = images.place(from.n, from.i + pixel / kHaloColumns, from.j + pixel % kHaloColumns);
    return {images.values, mul_wide(place.pixel, images.channels) + Rows::column(),
            inside(place, images.height, images.width) && pixel < kHaloPixels};
  }
  __device__ __forceinline__ static void put(typename HaloTile<kChannels>::Array& halo, int i,
                                             const Values<4>& values) {
    if (Rows::row(i) < kHaloPixels)
      store_vector(&halo[Rows::row(i) * HaloTile<kChannels>::kPitch + Rows::column()], values.values);
  }
};

template <int kChannels, class Tile>
class OnDemandHaloReader {
 public:
  static constexpr std::size_t kBytes = 0;

  __device__ __forceinline__ OnDemandHaloReader(const Images& images, const Patches&, std::size_t)
      : images_(images) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& from) { from_ = from; }
  __device__ __forceinline__ void fill(typename HaloTile<kChannels>::Array& halo) const {
    using Mine = HaloThreadMap<kChannels, Tile>;
    move_pieces<Mine::kCount, kVectorsAtOnce>(
        [&](int i) { return Mine::at(images_, from_, i).fetch(); },
        [&](int i, const Values<4>& values) { Mine::put(halo, i, values); });
  }

 private:
  Images images_;
  Raster::Position from_;
};

template <int kChannels, class Tile>
class HaloReader {
  using Mine = HaloThreadMap<kChannels, Tile>;

 public:
  static constexpr int kSlots = Mine::kCount;
  static constexpr int kVector = 4;
  static constexpr std::size_t kBytes = kSlots * Tile::kThreads * kVector * sizeof(float);
  using Slots = StagingBuffer<Tile, kVector, kSlots>;

  /// Uses kBytes of dynamic shared memory from `offset` on.
  __device__ __forceinline__ HaloReader(const Images& images, const Patches&, std::size_t offset)
      : images_(images), offset_(offset) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& from) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
#pragma unroll
    for (int i = 0; i < Mine::kCount; ++i) Mine::at(images_, from, i).copy(slots[i], thread_in_group(), 0);
    cp_async_commit();
  }
  __device__ __forceinline__ void fill(typename HaloTile<kChannels>::Array& halo) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
    cp_async_wait<0>();
    move_pieces<Mine::kCount, kStagedAtOnce>(
        [&](int i) { return staged<4>(slots, i); },
        [&](int i, const Values<4>& values) { Mine::put(halo, i, values); });
  }

 private:
  Images images_;
  std::size_t offset_;
};

/// Of at most 8 channels: a warp reads a row of the halo tile at once, float by float.
template <class Tile>
class HaloReader<8, Tile> {
  static constexpr int kWarps = Tile::kThreads / 32;
  static constexpr int kRows = ceil_div(kHaloRows, kWarps);       // of a warp
  static constexpr int kFloats = ceil_div(kHaloColumns * 8, 32);  // of a row, by a thread, at most

 public:
  static constexpr int kSlots = kFloats * kRows;
  static constexpr int kVector = 1;
  static constexpr std::size_t kBytes = kSlots * Tile::kThreads * kVector * sizeof(float);
  using Slots = StagingBuffer<Tile, kVector, kSlots>;

  __device__ __forceinline__ HaloReader(const Images& images, const Patches& patches, std::size_t offset)
      : images_(images), by_channels_(patches.by_channels), offset_(offset) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& from) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
    const int row_floats = images_.width * images_.channels;
    const int begin = from.j * images_.channels;
    for_each_float([&](int k, int of_row) {
      const bool in_row = static_cast<unsigned>(begin + of_row) < static_cast<unsigned>(row_floats);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (!has_row(r)) continue;
        const int at_row = from.i + row(r);
        const Index begin_row = Index{from.n * images_.height + at_row} * row_floats;
        const bool valid = in_row && static_cast<unsigned>(at_row) < static_cast<unsigned>(images_.height);
        Address<1>{images_.values, begin_row + begin + of_row, valid}.copy(slots[k * kRows + r],
                                                                           thread_in_group(), 0);
      }
    });
    cp_async_commit();
  }
  __device__ __forceinline__ void fill(typename HaloTile<8>::Array& halo) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
    cp_async_wait<0>();
    for_each_float([&](int k, int of_row) {
      const auto place = by_channels_.divide(of_row);  // column and channel
      move_pieces<kRows, kStagedAtOnce>(
          [&](int r) { return has_row(r) ? staged<1>(slots, k * kRows + r) : Values<1>(); },
          [&](int r, const Values<1>& value) {
            if (!has_row(r)) return;
            const int pixel = row(r) * kHaloColumns + place.quotient;
            store_vector(&halo[pixel * HaloTile<8>::kPitch + place.remainder], value.values);
          });
    });
  }

 private:
  __device__ __forceinline__ static int row(int r) { return thread_in_group() / 32 + r * kWarps; }
  __device__ __forceinline__ static bool has_row(int r) {
    return (r + 1) * kWarps <= kHaloRows || row(r) < kHaloRows;
  }

  template <class Body>
  __device__ __forceinline__ void for_each_float(const Body& body) const {
    const int floats = kHaloColumns * images_.channels;
#pragma unroll 1
    for (int k = 0, of_row = thread_in_group() % 32; of_row < floats; ++k, of_row += 32) body(k, of_row);
  }

  Images images_;
  FastDivmod by_channels_;
  std::size_t offset_;
};

/// Zeros, for the channels that a reader leaves as they are.
template <int kChannels, class Tile>
__device__ __forceinline__ void clear_halo_tile(typename HaloTile<kChannels>::Array& halo) {
  for (int pixel = thread_in_group(); pixel < kHaloPixels; pixel += Tile::kThreads) {
#pragma unroll
    for (int channel = 0; channel < kChannels; channel += 4)
      store_vector(&halo[pixel * HaloTile<kChannels>::kPitch + channel], Values<4>{}.values);
  }
}

}  // namespace bauta::BAUTA_DEVICE
