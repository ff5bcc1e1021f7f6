#include "engine/io/container.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "engine/io/byte_reader.h"
#include "engine/io/crc.h"
#include "engine/io/image.h"

namespace bauta {
namespace {

using Bytes = std::span<const std::byte>;
using Copy = std::vector<std::byte>;

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

Status damaged(const std::string& what, const std::string& name) {
  return Status::error("the image is damaged or cut short: " + what, name, "replace or remove the file");
}

Status other_kind(const std::string& format, const std::string& name) {
  return Status::error("this kind of " + format + " cannot be decoded", name, "save it as PNG");
}

void append(Copy& copy, Bytes bytes) { copy.insert(copy.end(), bytes.begin(), bytes.end()); }

// A PLTE chunk of 256 colours; stb_image does not look at its CRC.
void append_full_palette(Copy& copy, Bytes colours) {
  constexpr std::size_t kBytes = std::size_t{256} * 3;
  append(copy, std::as_bytes(std::span("\x00\x00\x03\x00PLTE", 8)));
  append(copy, colours.first(std::min(kBytes, colours.size())));
  copy.resize(copy.size() + kBytes - std::min(kBytes, colours.size()));
  copy.resize(copy.size() + 4);
}

// Bits of one pixel as stored, from an IHDR chunk's depth and colour type; 0 where there is no such type.
std::size_t png_bits(std::size_t depth, std::size_t colour_type) {
  constexpr std::array<std::size_t, 7> kChannels = {1, 0, 3, 1, 2, 0, 4};
  return colour_type < kChannels.size() ? depth * kChannels[colour_type] : 0;
}

// The picture's size as a PNG's first chunk gives it.
Status check_png_header(Bytes data, std::size_t compressed_bytes, const std::string& name) {
  constexpr std::size_t kMaxInflation = 1032;  // of deflate
  const ByteReader reader{data};
  const std::size_t width = reader.number(0, 4);
  const std::size_t height = reader.number(4, 4);
  const std::size_t bits = png_bits(reader.number(8, 1), reader.number(9, 1));
  if (data.size() != 13 || bits == 0) return damaged("bad header", name);
  BAUTA_TRY(check_pixel_count(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), name));
  if (width * height * bits / 8 <= kMaxInflation * compressed_bytes) return {};
  return damaged("too little data for its size", name);
}

// A palette of 256 colours, the missing ones black, between the header's end and the pixels at `offset`.
void fill_bmp_palette(Copy& copy, std::size_t header_end, std::size_t offset) {
  constexpr std::size_t kBytes = std::size_t{256} * 4;
  if (offset < header_end || offset - header_end >= kBytes) return;
  copy.insert(copy.begin() + static_cast<std::ptrdiff_t>(offset), header_end + kBytes - offset, std::byte{0});
  for (std::size_t i = 0; i < 4; ++i) copy[10 + i] = static_cast<std::byte>((header_end + kBytes) >> (8 * i));
}

// Where the blocks that begin at `at`, each with its length in front, end; 0 when the file ends first.
std::size_t skip_gif_blocks(const ByteReader& file, std::size_t at) {
  while (at < file.bytes.size()) {
    const std::size_t length = file.number(at, 1);
    at += 1 + length;
    if (length == 0) return at;
  }
  return 0;
}

// Bytes of the colour table that a GIF's flags announce.
std::size_t gif_colours(std::size_t flags) {
  return (flags & 0x80) != 0 ? std::size_t{3} << ((flags & 7) + 1) : 0;
}

Status check_gif_frame(const ByteReader& file, std::size_t at, std::size_t data_bytes,
                       const std::string& name) {
  // A code of 12 bits, the longest, stands for at most 4096 pixels, and shorter ones for fewer per bit.
  constexpr std::size_t kMaxPixelsPerByte = 4096 * 8 / 12 + 1;
  const std::size_t width = file.number(6, 2);
  const std::size_t height = file.number(8, 2);
  BAUTA_TRY(check_pixel_count(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), name));
  const bool covers =
      file.number(at + 1, 4) == 0 && file.number(at + 5, 2) == width && file.number(at + 7, 2) == height;
  if (!covers)
    return Status::error("the GIF's first frame does not cover the picture", name, "save it as PNG");
  if (width * height <= kMaxPixelsPerByte * data_bytes) return {};
  return damaged("too little data for its size", name);
}

// The number at `at` of a PNM file's header, behind white space and comments; leaves `at` behind it. 0 where
// there is none.
std::int64_t pnm_number(std::string_view text, std::size_t& at) {
  for (;;) {
    at = std::min(text.find_first_not_of(" \t\n\v\f\r", at), text.size());
    if (at == text.size() || text[at] != '#') break;
    at = std::min(text.find_first_of("\r\n", at), text.size());
  }
  std::int64_t number = 0;
  at = static_cast<std::size_t>(std::from_chars(text.data() + at, text.data() + text.size(), number).ptr -
                                text.data());
  return number;
}

}  // namespace

bool is_png(Bytes file) { return starts_with(file, kPngSignature); }

bool is_bmp(Bytes file) { return starts_with(file, "BM"); }

bool is_gif(Bytes file) { return starts_with(file, "GIF87a") || starts_with(file, "GIF89a"); }

bool is_pnm(Bytes file) { return starts_with(file, "P5") || starts_with(file, "P6"); }

bool is_tga(Bytes file) {
  const ByteReader reader{file, true};
  const std::size_t kind = reader.number(1, 2);  // no colour table; then 2 for colours, 3 for greys
  const std::size_t bits = reader.number(16, 1);
  return (kind == 0x200 && (bits == 24 || bits == 32)) || (kind == 0x300 && bits == 8);
}

Result<Copy> sound_png(Bytes file, const std::string& name) {
  const ByteReader reader{file};
  Copy copy(file.begin(), file.begin() + kPngSignature.size());
  Bytes header;
  std::size_t compressed_bytes = 0;
  bool has_palette = false;
  for (std::size_t at = kPngSignature.size();;) {
    const std::size_t length = reader.number(at, 4);
    if (at + 12 > file.size() || length > file.size() - at - 12)
      return damaged("it ends before its last part", name);
    const Bytes chunk = file.subspan(at, length + 12);
    const Bytes type = chunk.subspan(4, 4);
    const Bytes data = chunk.subspan(8, length);
    // Over the chunk's type and data.
    if (crc32(chunk.subspan(4, length + 4)) != reader.number(at + 8 + length, 4))
      return damaged("wrong CRC", name);
    const bool first = at == kPngSignature.size();
    if (first != starts_with(type, "IHDR")) return damaged("bad header", name);
    if (first) header = data;
    if (starts_with(type, "PLTE")) {
      if (std::exchange(has_palette, true)) return damaged("two palettes", name);
      append_full_palette(copy, data);
    }
    if (first || starts_with(type, "IDAT") || starts_with(type, "IEND")) append(copy, chunk);
    if (starts_with(type, "IDAT")) compressed_bytes += length;
    if (starts_with(type, "IEND")) break;
    at += chunk.size();
  }
  BAUTA_TRY(check_png_header(header, compressed_bytes, name));
  return copy;
}

Result<Copy> sound_bmp(Bytes file, const std::string& name) {
  const ByteReader reader{file, true};
  const auto signed_field = [&](std::size_t at) {
    return std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(reader.number(at, 4)))};
  };
  const std::size_t offset = reader.number(10, 4);
  const std::size_t header = reader.number(14, 4);
  const std::int64_t width = signed_field(18);
  const std::int64_t height = std::abs(signed_field(22));
  const std::size_t bits = reader.number(28, 2);
  const std::size_t compression = reader.number(30, 4);
  const bool plain = compression == 0 && (bits == 1 || bits == 4 || bits == 8 || bits == 24 || bits == 32);
  const bool masked = compression == 3 && bits == 32;
  if (header < 40 || (!plain && !masked)) {
    return other_kind("BMP", name);
  }
  BAUTA_TRY(check_pixel_count(width, height, name));
  const std::size_t pitch = (static_cast<std::size_t>(width) * bits + 31) / 32 * 4;
  if (offset + pitch * static_cast<std::size_t>(height) > file.size()) {
    return damaged("it ends before its last row", name);
  }
  Copy copy(file.begin(), file.end());
  if (bits <= 8) fill_bmp_palette(copy, 14 + header, offset);
  return copy;
}

Result<Copy> first_gif_frame(Bytes file, const std::string& name) {
  const ByteReader reader{file, true};
  const std::size_t start = 13 + gif_colours(reader.number(10, 1));
  if (start > file.size()) return damaged("it ends before its first frame", name);
  Copy copy(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(start));
  for (std::size_t at = start; at != 0 && at < file.size();) {
    const bool extension = reader.number(at, 1) == 0x21;
    const bool frame = reader.number(at, 1) == 0x2C;
    if (!extension && !frame) break;
    const std::size_t blocks = extension ? at + 2 : at + 11 + gif_colours(reader.number(at + 9, 1));
    const std::size_t end = skip_gif_blocks(reader, blocks);
    if (frame && end != 0) {
      BAUTA_TRY(check_gif_frame(reader, at, end - blocks, name));
      append(copy, file.subspan(at, end - at));
      copy.push_back(std::byte{0x3B});
      return copy;
    }
    at = end;
  }
  return damaged("it ends before its first frame does", name);
}

Result<Copy> sound_pnm(Bytes file, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  std::size_t at = 2;
  const std::int64_t width = pnm_number(text, at);
  const std::int64_t height = pnm_number(text, at);
  const std::int64_t largest = pnm_number(text, at);
  BAUTA_TRY(check_pixel_count(width, height, name));
  if (largest != 255) return other_kind("PNM", name);
  const std::size_t channels = starts_with(file, "P6") ? 3 : 1;
  const auto bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels;
  if (at + 1 + bytes > file.size()) return damaged("it ends before its last row", name);
  return Copy(file.begin(), file.end());
}

Result<Copy> sound_tga(Bytes file, const std::string& name) {
  const ByteReader reader{file, true};
  const std::size_t width = reader.number(12, 2);
  const std::size_t height = reader.number(14, 2);
  const std::size_t pixel_bytes = reader.number(16, 1) / 8;
  const bool right_to_left = (reader.number(17, 1) & 0x10) != 0;
  BAUTA_TRY(check_pixel_count(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), name));
  if (right_to_left) return other_kind("TGA", name);
  if (18 + reader.number(0, 1) + width * height * pixel_bytes > file.size()) {
    return damaged("it ends before its last row", name);
  }
  return Copy(file.begin(), file.end());
}

}  // namespace bauta
