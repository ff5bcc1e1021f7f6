#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// Whether a file begins as those of a kind do.
bool is_png(std::span<const std::byte> file);
bool is_bmp(std::span<const std::byte> file);
bool is_gif(std::span<const std::byte> file);
bool is_pnm(std::span<const std::byte> file);
/// A guess: TGA files have no signature. It holds for those that sound_tga can accept.
bool is_tga(std::span<const std::byte> file);

// What stb_image does not look after itself. Each of these checks that a file is whole, that its picture is
// not larger than kMaxImagePixels, nor than its compressed bytes can possibly hold (so that memory follows
// what the file can prove, not what it claims), and returns the file that stb_image is to decode. Errors name
// `name`.

/// Every chunk's CRC is right. What is returned has only the chunks that RGB comes from: transparency is left
/// out, and a palette is filled up with black to 256 colours, so that every index means a colour.
Result<std::vector<std::byte>> sound_png(std::span<const std::byte> file, const std::string& name);

/// An uncompressed BMP of 1, 4, 8, 24 or 32 bits per pixel.
Result<std::vector<std::byte>> sound_bmp(std::span<const std::byte> file, const std::string& name);

/// The first frame alone, which must cover the picture, without its transparency.
Result<std::vector<std::byte>> first_gif_frame(std::span<const std::byte> file, const std::string& name);

/// A binary grey or colour map (P5, P6) of 8 bits whose largest value is 255.
Result<std::vector<std::byte>> sound_pnm(std::span<const std::byte> file, const std::string& name);

/// An uncompressed TGA of 8 bits (grey), 24 or 32 (colour).
Result<std::vector<std::byte>> sound_tga(std::span<const std::byte> file, const std::string& name);

}  // namespace bauta
