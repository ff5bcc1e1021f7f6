#pragma once

#include "kernels/cuda/device.h"

namespace bauta::BAUTA_DEVICE {

/// Combines a value of each of a warp's lanes in a butterfly: all of them, or those whose lanes are equal
/// modulo kLanes, a power of two. They all get the same bits then, as combine(a, b) is combine(b, a).
template <int kLanes = 1, class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, const Combine& combine) {
#pragma unroll
  for (int bit = 16; bit >= kLanes; bit /= 2) value = combine(value, __shfl_xor_sync(~0U, value, bit));
  return value;
}

/// The sum of a warp's values, likewise.
template <int kLanes = 1, class T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce<kLanes>(value, [](T a, T b) { return a + b; });
}

}  // namespace bauta::BAUTA_DEVICE
