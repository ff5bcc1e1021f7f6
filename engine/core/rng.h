#pragma once

#include <array>
#include <cstdint>

namespace bauta {

/// Philox4x32-10: four random words that depend on key and counter alone, so that any thread, rank or device
/// can have the i-th number without the ones before it.
///                                         (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3")
std::array<std::uint32_t, 4> philox(std::uint64_t key, const std::array<std::uint32_t, 4>& counter);

/// What a stream of random numbers is for. Streams of one seed never overlap.
enum class RngStream : std::uint32_t {
  init,     ///< a parameter's first values; index: the parameter
  split,    ///< which samples validate
  shuffle,  ///< the order of an epoch; index: the epoch
  augment,  ///< a sample's augmentation; index: epoch and sample
  render,   ///< a rendered face; index: the face
};

/// A sequence of random numbers keyed by (seed, stream, index). Copying it copies its position.
class Rng {
 public:
  Rng(std::uint64_t seed, RngStream stream, std::uint64_t index = 0)
      : seed_(seed), stream_(static_cast<std::uint32_t>(stream)), index_(index) {}

  /// Uniform over all 32-bit words.
  std::uint32_t word();
  /// Uniform in [0, bound), bound >= 1, without bias.
  std::uint32_t below(std::uint32_t bound);
  /// Uniform in [0, 1), a multiple of 2^-24.
  float uniform() { return static_cast<float>(word() >> 8) * 0x1p-24F; }
  /// Uniform in [low, high]; high itself only by rounding.
  float uniform(float low, float high) { return low + (high - low) * uniform(); }

 private:
  std::uint64_t seed_;
  std::uint32_t stream_;
  std::uint64_t index_;
  std::uint32_t block_ = 0;  // the next block of four words
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;  // words of words_ that were given out
};

}  // namespace bauta
