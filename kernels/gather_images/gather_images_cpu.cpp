#include "kernels/gather_images/augmented_pixel.h"
#include "kernels/gather_images/gather_images_backends.h"
#include "kernels/simd.h"

namespace bauta::BAUTA_ISA {
namespace {

// Threads take whole images. Divisions, because a product with 1/255 is not correctly rounded.

// 5 bytes move for each of an image's: bound by memory.
void copy(Index size, const std::uint8_t* image, float* y) {
  const auto vector = [&](Index i, int lanes) {
    store(y + i, to_floats(load_bytes(image + i, lanes)) / 255.0F, lanes);
  };
  Index i = 0;
  for (; i + kWidth <= size; i += kWidth) vector(i, kWidth);
  if (i < size) vector(i, static_cast<int>(size - i));
}

// Bound by arithmetic: about 60 integer operations for each pixel.
void augment_image(const GatherImagesShape& s, const std::uint8_t* image, const AugmentParams& params,
                   float* y) {
  const auto at = [&](int row, int column, int c) {
    return std::int32_t{image[(Index{row} * s.width + column) * 3 + c]};
  };
  for (int v = 0; v < s.height; ++v) {
    for (int u = 0; u < s.width; ++u, y += 3) {
      std::int32_t rgb[3];
      augment::augmented_pixel(params, s.height, s.width, u, v, at, rgb);
      for (int c = 0; c < 3; ++c) y[c] = static_cast<float>(rgb[c]) / 255.0F;
    }
  }
}

Status forward(const Context& context, const GatherImagesShape& s, const std::uint8_t* images,
               const std::int32_t* samples, const AugmentParams* augment, float* y) {
  const Index size = Index{s.height} * s.width * s.channels;
  parallel_for(context, s.batch, [&](int n, int) {
    const std::uint8_t* image = images + samples[n] * size;
    augment == nullptr ? copy(size, image, y + n * size) : augment_image(s, image, augment[n], y + n * size);
  });
  return {};
}

}  // namespace

const GatherImagesBackend gather_images_backend = {forward};

}  // namespace bauta::BAUTA_ISA
