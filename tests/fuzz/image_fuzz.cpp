#include "engine/io/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const bauta::Result<bauta::Image> image =
      bauta::decode_image(std::as_bytes(std::span(data, size)), "image");
  if (!image.ok()) return 0;
  const std::size_t pixels = static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height);
  if (pixels == 0 || image->pixels.size() != pixels * 3) __builtin_trap();
  return 0;
}
