#pragma once

#include <cstddef>
#include <vector>

namespace bauta {

/// The bytes of an array and of the gap behind it, so that the next one begins at a multiple of 64.
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Lays out arrays in one block of memory, sharing space between arrays that are never alive together.
/// Time is counted in steps of the caller's making.
class ArenaPlan {
 public:
  /// Reserves `bytes` (may be 0) that are in use from step `first` to step `last`, both included.
  /// Returns the array's number.
  std::size_t add(std::size_t bytes, int first, int last);

  /// Chooses the offsets: largest array first, each at the lowest place that is free for its whole life.
  /// (Greedy by size, Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020)
  void plan();

  /// The array's first byte, a multiple of 64. After plan().
  std::size_t offset(std::size_t array) const { return arrays_[array].offset; }
  /// Bytes of the whole block. After plan().
  std::size_t size() const { return size_; }

 private:
  struct Array {
    std::size_t bytes;
    int first;
    int last;
    std::size_t offset = 0;
  };

  std::vector<Array> arrays_;
  std::size_t size_ = 0;
};

}  // namespace bauta
