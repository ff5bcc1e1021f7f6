#pragma once

#include "kernels/gather_images/gather_images.h"

#if defined(__CUDACC__)
#define BAUTA_EVERYWHERE __host__ __device__ __forceinline__
#else
#define BAUTA_EVERYWHERE [[gnu::always_inline]] inline
#endif

/// The one text of what AugmentParams mean (gather_images.h, steps 1 to 3), for every backend and the loader.
/// Always inlined: it is compiled for several instruction sets.
namespace bauta::augment {

/// The two neighbours of a position along one axis and the weight of the second, in 256ths.
struct Tap {
  std::int32_t first, second, weight;
};

BAUTA_EVERYWHERE Tap tap_at(std::int32_t position, std::int32_t length) {
  const std::int32_t last = (length - 1) * (1 << 16);
  const std::int32_t at = position < 0 ? 0 : position > last ? last : position;
  const std::int32_t first = at >> 16;
  return {first, first + 1 < length ? first + 1 : first, (at >> 8) & 255};
}

/// (256 - weight)·a + weight·b by one multiplication.
BAUTA_EVERYWHERE std::int32_t blend(std::int32_t a, std::int32_t b, std::int32_t weight) {
  return a * 256 + (b - a) * weight;
}

/// The bytes of output pixel (column u, row v). at(row, column, channel) is a byte of the image.
template <class At>
BAUTA_EVERYWHERE void augmented_pixel(const AugmentParams& p, int height, int width, int u, int v,
                                      const At& at, std::int32_t (&rgb)[3]) {
  const Tap column = tap_at(p.x0 + u * p.xu + v * p.xv, width);
  const Tap row = tap_at(p.y0 + u * p.yu + v * p.yv, height);
  for (int c = 0; c < 3; ++c) {
    const std::int32_t above =
        blend(at(row.first, column.first, c), at(row.first, column.second, c), column.weight);
    const std::int32_t below =
        blend(at(row.second, column.first, c), at(row.second, column.second, c), column.weight);
    rgb[c] = (blend(above, below, row.weight) + (1 << 15)) >> 16;
  }
  const std::int32_t grey = (77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8;
  for (int c = 0; c < 3; ++c) {
    const std::int32_t q = grey + (((rgb[c] - grey) * p.saturation + 128) >> 8);
    const std::int32_t level = 128 + (((q - 128) * p.contrast + 128) >> 8) + p.brightness;
    rgb[c] = level < 0 ? 0 : level > 255 ? 255 : level;
  }
}

}  // namespace bauta::augment

#undef BAUTA_EVERYWHERE
