#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/faces/face.h"

namespace bauta {

/// A rendered photograph, and how its JPEG is to be written.
struct RenderedFace {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;   ///< [height, width, 3]
  int jpeg_quality = 0;            ///< 40 to 95
  bool subsampled_chroma = false;  ///< 4:2:0 rather than 4:4:4
};

/// The face `index` of the endless data set `seed`, 80 to 128 pixels wide, 80 to 160 high. The same arguments
/// give the same bytes in every run of one build. With and without mask it is the same person in the same
/// picture, so that nothing but the mask tells the classes apart; some of those without one wear it under the
/// chin.
RenderedFace render_face(std::uint64_t seed, std::uint64_t index, bool with_mask);

}  // namespace bauta
