#pragma once

/// What a kernel's source file (NAME.cu) is written in. nvcc compiles it for a GPU, into the namespace
/// bauta::cuda; the host's compiler compiles the very same file, into bauta::simt, where each access is
/// checked and counted.
///
///   namespace bauta::BAUTA_DEVICE { namespace {
///   __global__ void __launch_bounds__(256)
///       scale(int size, float a, Global<const float> x, Global<float> y) {
///     const int i = blockIdx.x * blockDim.x + threadIdx.x;
///     if (i < size) y[i] = a * x[i];
///   }
///
///   Status run(const Context& context, int size, float a, const float* x, float* y) {
///     const Work work = {8.0 * size, 8.0 * size};  // bytes moved, and those that have to be
///     return launch(context, {"scale", ceil_div(size, 256), 256, 0, work}, scale,
///                   size, a, global(x, size), global(y, size));
///   }
///
/// The same on both sides:
///
///   Global<T>
///       parameter of a kernel: T* __restrict__, to global memory; global(pointer, elements) makes one
///   Ptr<T>
///       T*, to shared or global memory: parameter of a device function, and of a kernel whose arrays may
///       overlap; &a[i] and p + i make one
///   __shared__ Shared<T, 8, 9> a
///       T a[8][9] in shared memory; where vectors are read from it, alignas(16) __shared__. A plain array,
///       which could not be checked, does not compile for simt
///   auto&& a = dynamic_shared<Shared<T, 8, 9>>(offset)
///       the same in the dynamic shared memory
///   load<float4>(&a[i]), store(&a[i], v)
///       accesses of aligned vectors
///   atomicAdd(&a[i], v), atomicMax, atomicMin, atomicCAS, __syncthreads, __syncwarp, __shfl_*_sync,
///   __ballot_sync, __any_sync, __all_sync
///       as in CUDA
///   bf16, to_float, to_bf16
///       and what ptx.h gives: mma_m16n8k16, ldmatrix_x4, cp_async, sync_group and a few single instructions
///   launch(context, {name, grid, block, dynamic shared bytes, work}, kernel, arguments...)
///       in place of <<<>>>
///   launch_vendor(context, name, work, call)
///       for kernels that are not ours
///
/// Outside of this folder never <<<>>>, inline PTX or, in a kernel, a cast of a pointer; nothing may count on
/// the lanes of a warp going in step without a _sync operation; a value that is read needs a type (const
/// float v = a[i], not auto).

#include "kernels/common.h"
#include "kernels/cuda/work.h"

#if defined(__CUDACC__)
#define BAUTA_DEVICE cuda
#include "kernels/cuda/device_gpu.h"
#else
#define BAUTA_DEVICE simt
#include "kernels/cuda/device_simt.h"
#endif

namespace bauta::BAUTA_DEVICE {

/// a / b, rounded up; both positive.
template <class Integer>
__host__ __device__ constexpr Integer ceil_div(Integer a, Integer b) {
  return (a + b - 1) / b;
}

}  // namespace bauta::BAUTA_DEVICE
