#include "engine/io/exif.h"

#include <cstring>
#include <string_view>

#include "engine/io/byte_reader.h"
#include "engine/io/container.h"

namespace bauta {
namespace {

using Bytes = std::span<const std::byte>;

// Of a TIFF structure: byte order, the offset of the first directory, its entries of 12 bytes.
int tiff_orientation(Bytes tiff) {
  constexpr std::size_t kOrientation = 0x0112;
  const ByteReader reader{tiff, starts_with(tiff, "II")};
  const std::size_t directory = reader.number(4, 4);
  const std::size_t entries = reader.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry >= tiff.size()) break;
    if (reader.number(entry, 2) != kOrientation) continue;
    const std::size_t value = reader.number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int jpeg_orientation(Bytes file) {
  const ByteReader reader{file};
  std::size_t at = 2;
  while (at + 4 <= file.size() && reader.number(at, 1) == 0xFF) {
    const std::size_t marker = reader.number(at + 1, 1);
    const std::size_t length = reader.number(at + 2, 2);
    if (marker == 0xDA || length < 2 || at + 2 + length > file.size()) break;  // the scan begins
    const Bytes segment = file.subspan(at + 4, length - 2);
    if (marker == 0xE1 && starts_with(segment, std::string_view("Exif\0\0", 6))) {
      return tiff_orientation(segment.subspan(6));
    }
    at += 2 + length;
  }
  return 1;
}

int png_orientation(Bytes file) {
  if (!is_png(file)) return 1;
  const ByteReader reader{file};
  std::size_t at = 8;
  while (at + 12 <= file.size()) {
    const std::size_t length = reader.number(at, 4);
    if (length > file.size() - at - 12) break;
    if (starts_with(file.subspan(at + 4), "eXIf")) return tiff_orientation(file.subspan(at + 8, length));
    at += 12 + length;
  }
  return 1;
}

Image orient(Image image, int orientation) {
  if (orientation <= 1) return image;
  const int width = image.width;
  const int height = image.height;
  const bool turned = orientation >= 5;
  Image out{turned ? height : width, turned ? width : height, std::vector<std::uint8_t>(image.pixels.size())};
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x, to += 3) {
      int from_x = turned ? y : x;
      int from_y = turned ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        from_x = width - 1 - from_x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        from_y = height - 1 - from_y;
      std::memcpy(to,
                  &image.pixels[(static_cast<std::size_t>(from_y) * static_cast<std::size_t>(width) +
                                 static_cast<std::size_t>(from_x)) *
                                3],
                  3);
    }
  }
  return out;
}

}  // namespace bauta
