#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/io/image.h"

namespace bauta {

/// Whether a file begins as JPEG files do.
bool is_jpeg(std::span<const std::byte> file);

/// Decodes a JPEG file to RGB as Pillow does; EXIF orientation is left to exif.h. See decode_image for
/// errors.
Result<Image> decode_jpeg(std::span<const std::byte> file, const std::string& name);

}  // namespace bauta
