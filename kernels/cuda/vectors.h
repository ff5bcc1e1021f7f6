#pragma once

#include "kernels/cuda/ptx.h"

/// Accesses of kVector neighbours, 1 or 4, for kernels that come in both kinds. The address of four is a
/// multiple of their size.
namespace bauta::BAUTA_DEVICE {

template <int kVector>
__device__ __forceinline__ void load_vector(float (&to)[kVector], Ptr<const float> from) {
  if constexpr (kVector == 4) {
    const float4 v = load<float4>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
    to[0] = from[0];
  }
}

/// Four floats rounded to bf16, and back.
__device__ __forceinline__ uint2 pack_four(const float (&values)[4]) {
  return make_uint2(pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]));
}
__device__ __forceinline__ void unpack_four(const uint2& four, float (&values)[4]) {
  unpack_bf16(four.x, values[0], values[1]);
  unpack_bf16(four.y, values[2], values[3]);
}

/// Widens bf16.
template <int kVector>
__device__ __forceinline__ void load_vector(float (&to)[kVector], Ptr<const bf16> from) {
  if constexpr (kVector == 4) {
    unpack_four(load<uint2>(from), to);
  } else {
    const bf16 value = from[0];
    to[0] = to_float(value);
  }
}

template <int kVector>
__device__ __forceinline__ void store_vector(Ptr<float> to, const float (&values)[kVector]) {
  if constexpr (kVector == 4) {
    store(to, make_float4(values[0], values[1], values[2], values[3]));
  } else {
    to[0] = values[0];
  }
}

/// Rounds to bf16.
template <int kVector>
__device__ __forceinline__ void store_vector(Ptr<bf16> to, const float (&values)[kVector]) {
  if constexpr (kVector == 4) {
    store(to, pack_four(values));
  } else {
    to[0] = to_bf16(values[0]);
  }
}

}  // namespace bauta::BAUTA_DEVICE
