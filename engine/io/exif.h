#pragma once

#include <cstddef>
#include <span>

#include "engine/io/image.h"

namespace bauta {

/// The EXIF orientation, 1 to 8, of a JPEG or a PNG file; 1 where there is none or it makes no sense.
int jpeg_orientation(std::span<const std::byte> file);
int png_orientation(std::span<const std::byte> file);

/// The image turned and mirrored so that it stands as its EXIF orientation says (Exif 2.3, tag 0x0112).
Image orient(Image image, int orientation);

}  // namespace bauta
