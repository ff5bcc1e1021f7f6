#pragma once

#include "kernels/cuda/device.h"

/// What elementwise kernels share. A thread takes four neighbouring elements, so that a warp moves 512 bytes
/// of floats with one instruction; the last thread of an array takes what is left, one by one.
namespace bauta::BAUTA_DEVICE {

constexpr int kElementwiseThreads = 256;

/// The first of this thread's four elements.
__device__ __forceinline__ Index first_of_four() {
  return (Index{blockIdx.x} * kElementwiseThreads + threadIdx.x) * 4;
}

/// Elements [i, i + 4) of an array of `size`, i < size; those behind its end read as 0.
__device__ __forceinline__ float4 load4(Ptr<const float> p, Index i, Index size) {
  if (i + 4 <= size) return load<float4>(&p[i]);
  float4 v = {};
  v.x = p[i];
  if (i + 1 < size) v.y = p[i + 1];
  if (i + 2 < size) v.z = p[i + 2];
  return v;
}

/// Writes elements [i, i + 4) of an array of `size`, i < size, but for those behind its end.
__device__ __forceinline__ void store4(Ptr<float> p, Index i, Index size, const float4& v) {
  if (i + 4 <= size) return store(&p[i], v);
  p[i] = v.x;
  if (i + 1 < size) p[i + 1] = v.y;
  if (i + 2 < size) p[i + 2] = v.z;
}

/// Whether an optimiser's step is to change nothing: skip is not null and *skip is not 0. Call it after all
/// other loads, so that none of them waits for it.
__device__ __forceinline__ bool skipped(Ptr<const float> skip) {
  if (!skip) return false;
  const float value = skip[0];
  return value != 0;
}

/// Launches an elementwise kernel, whose first argument is `size`, and which moves `bytes` for each element,
/// read or written once; nothing to do when the size is 0.
template <class... Parameters, class... Arguments>
Status launch_elementwise(const Context& context, const char* name, double bytes,
                          void (*kernel)(Index, Parameters...), Index size, Arguments... arguments) {
  constexpr Index kPerBlock = 4 * kElementwiseThreads;
  if (size == 0) return {};
  const auto blocks = static_cast<unsigned>(ceil_div<Index>(size, kPerBlock));
  const double moved = bytes * static_cast<double>(size);
  return launch(context, {name, blocks, kElementwiseThreads, 0, {moved, moved}}, kernel, size, arguments...);
}

}  // namespace bauta::BAUTA_DEVICE
