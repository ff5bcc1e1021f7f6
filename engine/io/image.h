#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// An RGB image.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  ///< [height, width, 3], row-major
};

/// More pixels than any photograph has, and few enough to hold in memory.
inline constexpr std::int64_t kMaxImagePixels = 100'000'000;

/// Bytes of the largest file that is decoded: 1 GiB.
inline constexpr std::size_t kMaxImageBytes = std::size_t{1} << 30;

/// Fails, naming `name`, where an image has no pixels, or more than kMaxImagePixels.
Status check_pixel_count(std::int64_t width, std::int64_t height, const std::string& name);

/// Decodes an image file as Pillow's `exif_transpose(Image.open(file)).convert("RGB")` does: JPEG by
/// libjpeg-turbo with its default transform and upsampling (grey and CMYK included); PNG, BMP, GIF (its first
/// frame), PNM and TGA by stb_image, without their alpha; kinds of these that stb_image decodes otherwise are
/// refused. EXIF orientation, in JPEG and PNG, is applied. `name` stands in errors: an empty file, one that
/// is no image, cut short or damaged, one of more than kMaxImagePixels. Memory follows what the file can
/// hold, not the size that it claims.
Result<Image> decode_image(std::span<const std::byte> file, const std::string& name);

/// Reads and decodes the image file at `path`.
Result<Image> load_image(const std::string& path);

/// The one preprocessing that there is: load_image, then resize_bilinear to [height, width, 3] bytes.
Status load_network_input(const std::string& path, int width, int height, std::span<std::uint8_t> pixels);

}  // namespace bauta
