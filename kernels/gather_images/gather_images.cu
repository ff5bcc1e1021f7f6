#include "kernels/cuda/device.h"
#include "kernels/cuda/vectors.h"
#include "kernels/gather_images/augmented_pixel.h"
#include "kernels/gather_images/gather_images_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 256;  // of a block, which works on one image

// A division, because a product with 1/255 is not correctly rounded.
__device__ __forceinline__ float scaled(unsigned byte) { return static_cast<float>(byte) / 255.0F; }

__device__ __forceinline__ int index_in_image() {
  return static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
}
__device__ __forceinline__ int image_of_batch() { return static_cast<int>(blockIdx.x); }

/// A thread takes four neighbouring bytes, read at once, or one where images are no whole number of fours.
/// Reads the images' bytes and writes 4 for each, once: bound by memory. `size` is an image's.
template <int kVector>
__global__ void __launch_bounds__(kThreads) copy_images(int size, Global<const std::uint8_t> images,
                                                        Global<const std::int32_t> samples, Global<float> y) {
  const int i = index_in_image() * kVector;
  if (i >= size) return;
  const int sample = samples[image_of_batch()];
  const Ptr<const std::uint8_t> from = images + (Index{sample} * size + i);
  float values[kVector];
  if constexpr (kVector == 4) {
    const unsigned bytes = load<unsigned>(from);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[k] = scaled(bytes >> (8 * k) & 255);
  } else {
    const std::uint8_t byte = from[0];
    values[0] = scaled(byte);
  }
  store_vector(y + (Index{image_of_batch()} * size + i), values);
}

/// The params, read as integers, which the threads of a warp read together.
__device__ __forceinline__ AugmentParams params_at(Ptr<const std::int32_t> p) {
  return {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]};
}

/// A thread computes a pixel from four; a block writes its pixels side by side, by way of shared memory.
/// About 60 integer operations and twelve loads of a byte for each pixel, from L1:
/// neighbours read the same bytes. Moves three times the image's bytes' sectors, as lanes three bytes apart
/// read one byte at a time, and writes 12 bytes for each pixel: bound by the issue of instructions.
__global__ void __launch_bounds__(kThreads)
    augment_images(GatherImagesShape s, Global<const std::uint8_t> images, Global<const std::int32_t> samples,
                   Global<const std::int32_t> augment, Global<float> y) {
  __shared__ Shared<float, 3 * kThreads> levels;
  const int pixels = s.height * s.width;
  const int pixel = index_in_image();
  const int n = image_of_batch();
  if (pixel < pixels) {
    const int sample = samples[n];
    const Ptr<const std::uint8_t> image = images + Index{sample} * pixels * 3;
    const auto at = [&](int row, int column, int c) {
      const std::uint8_t byte = image[(row * s.width + column) * 3 + c];
      return std::int32_t{byte};
    };
    std::int32_t rgb[3];
    augment::augmented_pixel(params_at(augment + n * 9), s.height, s.width, pixel % s.width, pixel / s.width,
                             at, rgb);
#pragma unroll
    for (int c = 0; c < 3; ++c) levels[threadIdx.x * 3 + c] = scaled(static_cast<unsigned>(rgb[c]));
  }
  __syncthreads();
  const int first = static_cast<int>(blockIdx.y) * kThreads * 3;
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const int i = k * kThreads + static_cast<int>(threadIdx.x);
    if (first + i < pixels * 3) y[Index{n} * pixels * 3 + first + i] = levels[i];
  }
}

// Blocks of so many threads for each image. There may be more images than 65,535, a grid's most rows.
dim3 grid_of(const GatherImagesShape& s, int threads) {
  return dim3(static_cast<unsigned>(s.batch), static_cast<unsigned>(ceil_div(threads, kThreads)));
}

template <int kVector>
Status launch_copy(const Context& context, const GatherImagesShape& s, const std::uint8_t* images,
                   const std::int32_t* samples, float* y) {
  const int size = s.height * s.width * s.channels;
  const double bytes = 5.0 * s.batch * size;
  const dim3 grid = grid_of(s, ceil_div(size, kVector));
  const double indices = 32.0 * s.batch * ceil_div(size, 32 * kVector);  // a sector for each warp
  return launch(context, {"gather_images", grid, kThreads, 0, {bytes + indices, bytes + 4.0 * s.batch}},
                copy_images<kVector>, size, global(images, Index{s.images} * size), global(samples, s.batch),
                global(y, Index{s.batch} * size));
}

Status forward(const Context& context, const GatherImagesShape& s, const std::uint8_t* images,
               const std::int32_t* samples, const AugmentParams* augment, float* y) {
  const int size = s.height * s.width * s.channels;
  if (augment == nullptr) {
    return size % 4 == 0 ? launch_copy<4>(context, s, images, samples, y)
                         : launch_copy<1>(context, s, images, samples, y);
  }
  static_assert(sizeof(AugmentParams) == 9 * sizeof(std::int32_t));
  // No Work: which pixels are read, and how often, depends on the params, which are in the device's memory.
  return launch(context, {"gather_images_augmented", grid_of(s, s.height * s.width), kThreads},
                augment_images, s, global(images, Index{s.images} * size), global(samples, s.batch),
                global(&augment->x0, Index{9} * s.batch), global(y, Index{s.batch} * size));
}

}  // namespace

const GatherImagesBackend gather_images_backend = {forward};

}  // namespace bauta::BAUTA_DEVICE
