#include "kernels/gather_images/augmented_pixel.h"
#include "kernels/gather_images/gather_images_backends.h"

namespace bauta::reference {
namespace {

void gather(const GatherImagesShape& s, const std::uint8_t* image, const AugmentParams* augment, float* y) {
  const Index row_size = Index{s.width} * s.channels;
  const auto at = [&](int row, int column, int c) {
    return std::int32_t{image[row * row_size + column * s.channels + c]};
  };
  for (int v = 0; v < s.height; ++v) {
    for (int u = 0; u < s.width; ++u) {
      std::int32_t rgb[3] = {};
      if (augment != nullptr) augment::augmented_pixel(*augment, s.height, s.width, u, v, at, rgb);
      for (int c = 0; c < s.channels; ++c) {
        const std::int32_t level = augment != nullptr ? rgb[c] : at(v, u, c);
        y[v * row_size + u * s.channels + c] = static_cast<float>(level / 255.0);
      }
    }
  }
}

Status forward(const Context&, const GatherImagesShape& s, const std::uint8_t* images,
               const std::int32_t* samples, const AugmentParams* augment, float* y) {
  const Index size = Index{s.height} * s.width * s.channels;
  for (Index n = 0; n < s.batch; ++n) {
    gather(s, images + samples[n] * size, augment == nullptr ? nullptr : augment + n, y + n * size);
  }
  return {};
}

}  // namespace

const GatherImagesBackend gather_images_backend = {forward};

}  // namespace bauta::reference
