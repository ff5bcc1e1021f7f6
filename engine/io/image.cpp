#include "engine/io/image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "engine/io/container.h"
#include "engine/io/exif.h"
#include "engine/io/file.h"
#include "engine/io/jpeg.h"
#include "engine/io/preprocess.h"

namespace {

void* reallocate(void* old, std::size_t old_size, std::size_t size) {
  void* const grown = ::operator new(size);
  if (old != nullptr) std::memcpy(grown, old, std::min(old_size, size));
  ::operator delete(old);
  return grown;
}

}  // namespace

// Where memory runs out, stb_image would call an image damaged, or say nothing: as everywhere, the program
// ends.
#define STBI_MALLOC(size) ::operator new(size)
#define STBI_REALLOC_SIZED(old, old_size, size) reallocate(old, old_size, size)
#define STBI_FREE(memory) ::operator delete(memory)
// Only its reading of memory is used; JPEG is libjpeg-turbo's.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_PNG
#define STBI_ONLY_PNM
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS bauta::kMaxImagePixels
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace bauta {
namespace {

// Takes the file that container.h has found sound; its size, about kMaxImageBytes at most, fits an int.
Result<Image> decode_by_stb(std::span<const std::byte> file, const std::string& name) {
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(file.size());
  int width = 0;
  int height = 0;
  int channels = 0;
  // Of 16-bit greys Pillow keeps those below 256 and makes the others white.
  const bool grey16 = stbi_info_from_memory(bytes, size, &width, &height, &channels) != 0 && channels == 1 &&
                      stbi_is_16_bit_from_memory(bytes, size) != 0;
  const auto fail = [&] {
    return Status::error(std::string("the image is damaged or cut short: ") + stbi_failure_reason(), name,
                         "replace or remove the file");
  };
  const auto make_image = [&](const auto* pixels) {
    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
    Image image{width, height, std::vector<std::uint8_t>(count)};
    std::transform(pixels, pixels + count, image.pixels.begin(),
                   [](auto value) { return static_cast<std::uint8_t>(std::min<int>(value, 255)); });
    return image;
  };
  if (grey16) {
    const std::unique_ptr<stbi_us, void (*)(void*)> pixels(
        stbi_load_16_from_memory(bytes, size, &width, &height, &channels, 3), stbi_image_free);
    return pixels ? Result<Image>(make_image(pixels.get())) : fail();
  }
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, size, &width, &height, &channels, 3), stbi_image_free);
  return pixels ? Result<Image>(make_image(pixels.get())) : fail();
}

Result<Image> decode_other(std::span<const std::byte> file, const std::string& name) {
  const auto sound = is_png(file)   ? sound_png(file, name)
                     : is_bmp(file) ? sound_bmp(file, name)
                     : is_gif(file) ? first_gif_frame(file, name)
                     : is_pnm(file) ? sound_pnm(file, name)
                     : is_tga(file) ? sound_tga(file, name)
                                    : Status::error("this is no image that can be decoded", name,
                                                    "give a JPEG, PNG, BMP, GIF, PNM or TGA file");
  if (!sound.ok()) return sound.status();
  return decode_by_stb(*sound, name);
}

}  // namespace

Status check_pixel_count(std::int64_t width, std::int64_t height, const std::string& name) {
  if (width < 1 || height < 1)
    return Status::error("the image has no pixels", name, "replace or remove the file");
  if (width <= kMaxImagePixels / height) return {};
  return Status::error("the image has " + std::to_string(width) + "x" + std::to_string(height) +
                           " pixels, more than " + std::to_string(kMaxImagePixels),
                       name, "scale it down or remove it");
}

Result<Image> decode_image(std::span<const std::byte> file, const std::string& name) {
  if (file.empty()) return Status::error("the file is empty", name, "replace or remove it");
  if (file.size() > kMaxImageBytes) {
    return Status::error("this file is larger than " + std::to_string(kMaxImageBytes) + " bytes", name,
                         "scale the image down or remove it");
  }
  auto image = is_jpeg(file) ? decode_jpeg(file, name) : decode_other(file, name);
  if (!image.ok()) return image;
  return orient(std::move(*image), is_jpeg(file) ? jpeg_orientation(file) : png_orientation(file));
}

Result<Image> load_image(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  return decode_image(file->bytes(), path);
}

Status load_network_input(const std::string& path, int width, int height, std::span<std::uint8_t> pixels) {
  const auto image = load_image(path);
  if (!image.ok()) return image.status();
  return resize_bilinear(image->pixels, image->width, image->height, pixels, width, height);
}

}  // namespace bauta
