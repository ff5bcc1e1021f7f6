#pragma once

#include <cstdint>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// The convolution alone, all of whose rows and columns are pooled.
inline Conv2dShape convolution(const ConvReluPoolShape& s) {
  return {s.batch,  s.in_h,   s.in_w, s.in_channels, s.out_channels,
          s.kernel, s.stride, s.pad,  2 * s.out_h,   2 * s.out_w};
}

/// The position in its window, 2·row + column, of the first among the largest; a NaN wins over everything.
__device__ __forceinline__ unsigned winner(const float (&window)[4], float& largest) {
  unsigned at = 0;
  largest = window[0];
#pragma unroll
  for (unsigned i = 1; i < 4; ++i) {
    if (!(window[i] <= largest) && largest == largest) {
      largest = window[i];
      at = i;
    }
  }
  return at;
}

/// dz = the gradient of the convolution's output, [N,P,Q,O] of `z`, whose rows and columns may be more than
/// are pooled: zeros there.
Status launch_expand(const Context&, const ConvReluPoolShape&, const Conv2dShape& z, const float* dy,
                     const float* y, const std::uint8_t* argmax, float* dz);

}  // namespace bauta::BAUTA_DEVICE
