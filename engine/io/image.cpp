#include "engine/io/image.h"

#include <algorithm>
#include <memory>

#include "engine/io/exif.h"
#include "engine/io/file.h"
#include "engine/io/jpeg.h"

// Only its reading of memory is used; JPEG is libjpeg-turbo's.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_JPEG
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS (1 << 20)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace bauta {
namespace {

Result<Image> decode_other(std::span<const std::byte> file, const std::string& name) {
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(std::min<std::size_t>(file.size(), 1U << 30));
  int width = 0;
  int height = 0;
  int channels = 0;
  if (stbi_info_from_memory(bytes, size, &width, &height, &channels) == 0) {
    return Status::error("this is no image that can be decoded", name,
                         "give a JPEG, PNG, BMP, GIF, TGA or PNM file");
  }
  BAUTA_TRY(check_image_size(width, height, name));
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, size, &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) {
    return Status::error(std::string("the image is damaged or cut short: ") + stbi_failure_reason(), name,
                         "replace or remove the file");
  }
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return Image{width, height, {pixels.get(), pixels.get() + count}};
}

}  // namespace

Result<Image> decode_image(std::span<const std::byte> file, const std::string& name) {
  if (file.empty()) return Status::error("the file is empty", name, "replace or remove it");
  auto image = is_jpeg(file) ? decode_jpeg(file, name) : decode_other(file, name);
  if (!image.ok()) return image;
  return orient(std::move(*image), is_jpeg(file) ? jpeg_orientation(file) : png_orientation(file));
}

Result<Image> load_image(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  return decode_image(file->bytes(), path);
}

}  // namespace bauta
