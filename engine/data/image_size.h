#pragma once

#include <cstddef>

namespace bauta {

/// The size of one image of a data set: bytes [height, width, channels], RGB interleaved.
struct ImageSize {
  int height;    ///< 1 to kMaxSide
  int width;     ///< 1 to kMaxSide
  int channels;  ///< 3

  /// Positions inside an image are 16.16 fixed-point numbers (see gather_images.h), so its sides are bounded.
  static constexpr int kMaxSide = 8192;

  std::size_t bytes() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
           static_cast<std::size_t>(channels);
  }
  bool operator==(const ImageSize&) const = default;
};

}  // namespace bauta
