#pragma once

// kernels/cuda/device.h for nvcc: everything here is a plain pointer or array and costs nothing.

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <memory>
#include <string>

#include "kernels/cuda/kernel_limits.h"
#include "kernels/cuda/launch_times.h"

namespace bauta::cuda {

template <class T>
using Global = T* __restrict__;
template <class T>
using Ptr = T*;

namespace detail {

template <class T, std::size_t... kSizes>
struct Array {
  using Type = T;
};
template <class T, std::size_t kFirst, std::size_t... kRest>
struct Array<T, kFirst, kRest...> {
  using Type = typename Array<T, kRest...>::Type[kFirst];
};

}  // namespace detail

template <class T, std::size_t... kSizes>
using Shared = typename detail::Array<T, kSizes...>::Type;

template <class T>
T* global(T* pointer, Index) {
  return pointer;
}

template <class Array>
__device__ __forceinline__ Array& dynamic_shared(std::size_t offset = 0) {
  extern __shared__ __align__(128) unsigned char dynamic_shared_memory[];
  return *reinterpret_cast<Array*>(dynamic_shared_memory + offset);
}

template <class Vector, class T>
__device__ __forceinline__ Vector load(T* p) {
  return *reinterpret_cast<const Vector*>(p);
}

template <class Vector, class T>
__device__ __forceinline__ void store(T* p, const Vector& value) {
  *reinterpret_cast<Vector*>(p) = value;
}

using bf16 = __nv_bfloat16;
__device__ __forceinline__ float to_float(bf16 value) { return __bfloat162float(value); }
__device__ __forceinline__ bf16 to_bf16(float value) { return __float2bfloat16_rn(value); }

struct Launch {
  const char* kernel;  ///< its name, for messages
  dim3 grid;
  dim3 block;
  std::size_t dynamic_shared = 0;  ///< bytes
  Work work = {};
};

/// "kernel linear_forward, 32x2x1 blocks of 256x1x1 threads"; where there is no grid, of a vendor's
/// kernel or a recorded step, its name.
inline std::string words(const Launch& launch) {
  if (launch.grid.x == 0) return std::string("kernel ") + launch.kernel;
  const auto size = [](const dim3& d) {
    return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
  };
  return std::string("kernel ") + launch.kernel + ", " + size(launch.grid) + " blocks of " +
         size(launch.block) + " threads";
}

/// What to do about an error that a call before may have caused.
inline constexpr const char* kFindIt = "an earlier call may have failed; compute-sanitizer finds it";

/// Fails with what CUDA says of a call, and the launch that it is made for.
inline Status check(cudaError_t error, const Launch& launch, const char* fix) {
  if (error == cudaSuccess) return {};
  return Status::fault(std::string("CUDA: ") + cudaGetErrorString(error), words(launch), fix);
}

/// An empty kernel: its attributes, such as ptxVersion, are those of every kernel of the build.
template <class = void>
__global__ void probe() {}

/// What the present GPU offers to kernels.
inline Status kernel_limits(KernelLimits& limits) {
  int device = 0;
  int most = 0;
  cudaFuncAttributes attributes{};
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess)
    error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, probe<>);
  if (error != cudaSuccess) {
    return Status::fault(std::string("CUDA: ") + cudaGetErrorString(error), "what a GPU offers to kernels",
                         kFindIt);
  }
  limits = {static_cast<std::size_t>(most), attributes.ptxVersion};
  return {};
}

/// This thread's last launch, for errors that only a later call tells of; its kernel is null before the
/// first.
inline thread_local Launch last_launch = {nullptr, {}, {}};

/// What once() launches into the stream, `times` over, as a graph: so kernels follow one another as they do
/// in a training step, however short they are.
template <class Once>
Status record(const Launch& launch, cudaStream_t stream, int times, const Once& once,
              std::unique_ptr<CUgraphExec_st, decltype(&cudaGraphExecDestroy)>& recorded) {
  const char* fix = "CUDA_LAUNCH_BLOCKING=1 does not go with timing";
  const auto all = [&]() -> Status {
    for (int i = 0; i < times; ++i) BAUTA_TRY(once());
    return {};
  };
  BAUTA_TRY(check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), launch, fix));
  const Status launched = all();
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  const std::unique_ptr<CUgraph_st, decltype(&cudaGraphDestroy)> own_graph(graph, cudaGraphDestroy);
  BAUTA_TRY(launched);
  BAUTA_TRY(check(ended, launch, fix));
  cudaGraphExec_t made = nullptr;
  const cudaError_t instantiated = cudaGraphInstantiate(&made, graph, 0);
  recorded.reset(made);
  return check(instantiated, launch, fix);
}

/// Has once() launch again and again, and keeps the time. Waits for the stream.
template <class Once>
Status time_launch(const Context& context, const Launch& launch, const Once& once) {
  const auto stream = static_cast<cudaStream_t>(context.stream);
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  BAUTA_TRY(check(cudaEventCreate(&begin), launch, kFindIt));
  const std::unique_ptr<CUevent_st, decltype(&cudaEventDestroy)> own_begin(begin, cudaEventDestroy);
  BAUTA_TRY(check(cudaEventCreate(&end), launch, kFindIt));
  const std::unique_ptr<CUevent_st, decltype(&cudaEventDestroy)> own_end(end, cudaEventDestroy);
  const int repeats = context.launch_times->repeats;
  BAUTA_TRY(once());  // which loads it
  std::unique_ptr<CUgraphExec_st, decltype(&cudaGraphExecDestroy)> recorded(nullptr, cudaGraphExecDestroy);
  BAUTA_TRY(record(launch, stream, repeats, once, recorded));
  BAUTA_TRY(check(cudaGraphUpload(recorded.get(), stream), launch, kFindIt));
  BAUTA_TRY(check(cudaEventRecord(begin, stream), launch, kFindIt));
  BAUTA_TRY(check(cudaGraphLaunch(recorded.get(), stream), launch, kFindIt));
  BAUTA_TRY(check(cudaEventRecord(end, stream), launch, kFindIt));
  BAUTA_TRY(check(cudaEventSynchronize(end), launch, kFindIt));
  float milliseconds = 0;
  BAUTA_TRY(check(cudaEventElapsedTime(&milliseconds, begin, end), launch, kFindIt));
  context.launch_times->launches.push_back({launch.kernel,
                                            {launch.grid.x, launch.grid.y, launch.grid.z},
                                            {launch.block.x, launch.block.y, launch.block.z},
                                            launch.work,
                                            milliseconds / 1e3 / repeats});
  return {};
}

/// Puts a kernel into the context's stream. Fails if the launch does; what happens later in the kernel is
/// told by the next call that waits for the stream.
template <class... Parameters, class... Arguments>
Status launch(const Context& context, const Launch& launch, void (*kernel)(Parameters...),
              Arguments... arguments) {
  // Above 48 KiB, of which a kernel's static shared memory takes its part, CUDA wants to be asked.
  if (launch.dynamic_shared > 0) {
    BAUTA_TRY(check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(launch.dynamic_shared)),
                    launch, "this GPU has less shared memory than the kernel needs"));
  }
  last_launch = launch;
  cudaLaunchConfig_t config{};
  config.gridDim = launch.grid;
  config.blockDim = launch.block;
  config.dynamicSmemBytes = launch.dynamic_shared;
  config.stream = static_cast<cudaStream_t>(context.stream);
  const auto once = [&] {
    const cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
    return check(error, launch,
                 error == cudaErrorInvalidConfiguration
                     ? "these are more than a GPU takes: use smaller layers or batches"
                     : kFindIt);
  };
  return context.launch_times == nullptr ? once() : time_launch(context, launch, once);
}

/// Has a vendor's library put its kernels into the context's stream: call() says how that went. They are
/// timed together, as one launch; what its grid is they alone know.
template <class Call>
Status launch_vendor(const Context& context, const char* name, const Work& work, const Call& call) {
  const Launch launch = {name, dim3(0, 0, 0), dim3(0, 0, 0), 0, work};
  last_launch = launch;
  return context.launch_times == nullptr ? call() : time_launch(context, launch, call);
}

}  // namespace bauta::cuda
