#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/io/byte_reader.h"
#include "engine/io/container.h"
#include "engine/io/crc.h"
#include "engine/io/image.h"
#include "engine/io/preprocess.h"

namespace {

// Gives each chunk of a PNG its right CRC, so that what is behind that check is reached, too.
void repair_png(std::vector<std::byte>& file) {
  std::size_t at = 8;
  while (at + 12 <= file.size()) {
    const bauta::ByteReader reader{file};
    const std::size_t length = reader.number(at, 4);
    if (length > file.size() - at - 12) return;
    const std::uint32_t crc = bauta::crc32(std::span(file).subspan(at + 4, length + 4));
    for (std::size_t i = 0; i < 4; ++i)
      file[at + 8 + length + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    at += length + 12;
  }
}

}  // namespace

/// Whatever decodes has all its pixels, no more than such a file can hold, and can be resized.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> file(bytes, bytes + size);
  if (bauta::is_png(file)) repair_png(file);
  const auto image = bauta::decode_image(file, "input");
  if (!image.ok()) return 0;
  const auto pixels = static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height);
  constexpr std::size_t kMaxPixelsPerByte = 1032 * 8;
  if (image->pixels.size() != pixels * 3 || pixels > kMaxPixelsPerByte * size) __builtin_trap();
  std::vector<std::uint8_t> resized(std::size_t{9} * 7 * 3);
  if (!bauta::resize_bilinear(image->pixels, image->width, image->height, resized, 9, 7).ok())
    __builtin_trap();
  return 0;
}
