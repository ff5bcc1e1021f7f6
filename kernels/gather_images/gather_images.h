#pragma once

#include <cstdint>

#include "kernels/common.h"

namespace bauta {

/// Sizes of a gathering of images; every one is at least 1.
struct GatherImagesShape {
  int batch;          ///< N, images that are gathered
  int height, width;  ///< H, W; where images are augmented at most 8,192, as positions are 16.16
  int channels;       ///< C; 3 where images are augmented
  int images;         ///< M, images to gather from
};

/// One image's augmentation, in integers alone: any device computes the same bytes from it. Defaults to none.
struct AugmentParams {
  // Where output pixel (column u, row v) is read: x = x0 + u·xu + v·xv, y = y0 + u·yu + v·yv. In 16.16
  // fixed point, pixel centres at whole numbers.
  std::int32_t x0 = 0, xu = 1 << 16, xv = 0;
  std::int32_t y0 = 0, yu = 0, yv = 1 << 16;
  std::int32_t contrast = 256;    ///< 8.8 fixed point
  std::int32_t saturation = 256;  ///< 8.8 fixed point
  std::int32_t brightness = 0;    ///< levels of 255

  bool operator==(const AugmentParams&) const = default;
};

/// y[n] = augmented(images[samples[n]], augment[n]) / 255, correctly rounded: bytes of a data set to a
/// network's input. (torchvision.transforms.ToTensor) images [M,H,W,C] bytes, samples [N] in [0,M), augment
/// [N] or null: as they are; y [N,H,W,C]: row-major, images and y 64-byte aligned, samples and augment
/// 4-byte, in the device's memory. Samples out of range are an error, but on a GPU, where nobody reads them
/// before the kernel: there the caller sees to it. An augmented image's bytes out are, of its bytes in
/// (>> rounds down):
///
/// 1. x and y are clamped to the image, so that its edge is repeated outside. With xi = x>>16, fx = (x>>8) &
///    255, likewise yi and fy, the bilinear sample of each channel is
///      p = ((256-fy)·((256-fx)·in[yi][xi] + fx·in[yi][xi+1])
///           + fy·((256-fx)·in[yi+1][xi] + fx·in[yi+1][xi+1]) + 2^15) >> 16
///    (xi+1 and yi+1 have weight 0 where they would be outside)
/// 2. grey = (77·R + 150·G + 29·B + 128) >> 8                                     (ITU-R BT.601 luma)
///    q = grey + (((p - grey)·saturation + 128) >> 8)
/// 3. out = clamp(128 + (((q - 128)·contrast + 128) >> 8) + brightness, 0, 255)
///
/// Reads N·H·W·C bytes, writes 4·N·H·W·C.
Status gather_images(const Context&, const GatherImagesShape&, const std::uint8_t* images,
                     const std::int32_t* samples, const AugmentParams* augment, float* y);

}  // namespace bauta
