#include <cuda_runtime.h>

#include <algorithm>

#include "engine/core/device.h"
#include "engine/core/stream.h"
#include "kernels/cuda/device.h"

namespace bauta::cuda {
namespace {

constexpr const char* kWhere = "--device cuda";

// What to do when a call fails that nothing is wrong with.
constexpr const char* kLost =
    "the GPU or an earlier kernel failed; CUDA_LAUNCH_BLOCKING=1 names the kernel, nvidia-smi and dmesg tell "
    "of the GPU";

// An error of `call`, with what the GPU was doing: kernels fail after their launch, at some later call.
Status check(cudaError_t error, const std::string& call) {
  if (error == cudaSuccess) return {};
  const std::string after = last_launch.kernel == nullptr ? "" : ", after " + words(last_launch);
  return Status::fault(std::string("CUDA: ") + cudaGetErrorString(error), call + after, kLost);
}

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

Status count_gpus(int& count) {
  int driver = 0;
  int runtime = 0;
  BAUTA_TRY(check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion"));
  BAUTA_TRY(check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion"));
  if (driver == 0) {
    return Status::error("there is no NVIDIA driver", kWhere,
                         "install one for CUDA " + version(runtime) + " or later, or use --device cpu");
  }
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    return Status::error("the NVIDIA driver is for CUDA " + version(driver), kWhere,
                         "install one for CUDA " + version(runtime) + " or later, or use --device cpu");
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    return Status::error(
        "there is no GPU", kWhere,
        "see that nvidia-smi lists one and CUDA_VISIBLE_DEVICES leaves it, or use --device cpu");
  }
  return check(error, "cudaGetDeviceCount");
}

Status make_stream(StreamPriority priority, void*& stream) {
  int last = 0;
  int first = 0;
  BAUTA_TRY(check(cudaDeviceGetStreamPriorityRange(&last, &first), "cudaDeviceGetStreamPriorityRange"));
  const int number = priority == StreamPriority::high ? first : last;
  cudaStream_t made = nullptr;
  BAUTA_TRY(check(cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, number),
                  "cudaStreamCreateWithPriority"));
  stream = made;
  return {};
}

Status open(int number, GpuInfo& info, void*& stream) {
  cudaDeviceProp properties;
  BAUTA_TRY(check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties"));
  info = {properties.name, properties.major * 10 + properties.minor, properties.totalGlobalMem};
  BAUTA_TRY(check(cudaSetDevice(number), "cudaSetDevice"));
  cudaFuncAttributes attributes;
  const cudaError_t found = cudaFuncGetAttributes(&attributes, probe<>);
  const bool missing = found == cudaErrorNoKernelImageForDevice || found == cudaErrorInvalidDeviceFunction;
  BAUTA_TRY(check_gpu(info, !missing, BAUTA_CUDA_ARCHITECTURES));
  BAUTA_TRY(check(found, "cudaFuncGetAttributes"));
  info.kernels = attributes.ptxVersion;
  return make_stream(StreamPriority::high, stream);
}

// Nobody is left to tell of a failure where something is given back.

void close(void* stream) { static_cast<void>(cudaStreamDestroy(static_cast<cudaStream_t>(stream))); }
void release(void* memory) { static_cast<void>(cudaFree(memory)); }

Status free_memory(std::size_t& bytes) {
  std::size_t total = 0;
  return check(cudaMemGetInfo(&bytes, &total), "cudaMemGetInfo");
}

Status allocate(std::size_t bytes, void*& memory) {
  const std::string call = "cudaMalloc of " + std::to_string(bytes) + " bytes";
  const cudaError_t error = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
  if (error == cudaErrorMemoryAllocation) {
    return Status::error("the GPU's memory is full", call,
                         "use a smaller --batch, or end what else nvidia-smi shows on the GPU");
  }
  BAUTA_TRY(check(error, call));
  BAUTA_TRY(check(cudaMemset(memory, 0, bytes), "cudaMemset"));
  return check(cudaStreamSynchronize(nullptr), "cudaMemset");  // which the context's stream does not wait for
}

Status to_device(void* stream, const void* from, void* to, std::size_t bytes) {
  return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream)),
               "copying " + std::to_string(bytes) + " bytes to the GPU");
}

Status to_host(void* stream, const void* from, void* to, std::size_t bytes) {
  return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)),
               "copying " + std::to_string(bytes) + " bytes from the GPU");
}

Status wait(void* stream) {
  return check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "cudaStreamSynchronize");
}

Status zero(void* stream, void* memory, std::size_t bytes) {
  return check(cudaMemsetAsync(memory, 0, bytes, static_cast<cudaStream_t>(stream)), "cudaMemsetAsync");
}

Status allocate_pinned(std::size_t bytes, void*& memory) {
  const std::string call = "cudaMallocHost of " + std::to_string(bytes) + " bytes";
  const cudaError_t error = cudaMallocHost(&memory, std::max<std::size_t>(bytes, 1));
  if (error == cudaErrorMemoryAllocation) {
    return Status::error("the host has no memory left that it may pin", call, "use a smaller --batch");
  }
  return check(error, call);
}

void release_pinned(void* memory) { static_cast<void>(cudaFreeHost(memory)); }

Status make_event(void*& event) {
  cudaEvent_t made = nullptr;
  BAUTA_TRY(check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
  event = made;
  return {};
}

void destroy_event(void* event) { static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(event))); }

Status record_event(void* event, void* stream) {
  return check(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)),
               "cudaEventRecord");
}

Status make_wait(void* stream, void* event) {
  return check(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), static_cast<cudaEvent_t>(event)),
               "cudaStreamWaitEvent");
}

Status wait_for_event(void* event) {
  return check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize");
}

// Thread-local: other threads of the process may use the GPU meanwhile.
Status begin_capture(void* stream) {
  return check(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
}

// A replay keeps the streams' priorities only where asked to: else all of it would have the launching
// stream's.
Status end_capture(void* stream, void*& graph) {
  cudaGraph_t captured = nullptr;
  BAUTA_TRY(
      check(cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &captured), "cudaStreamEndCapture"));
  cudaGraphExec_t made = nullptr;
  const Status status = check(cudaGraphInstantiate(&made, captured, cudaGraphInstantiateFlagUseNodePriority),
                              "cudaGraphInstantiate");
  static_cast<void>(cudaGraphDestroy(captured));
  graph = made;
  return status;
}

Status launch_graph(void* graph, void* stream) {
  last_launch = {"of a recorded step", dim3(0, 0, 0), dim3(0, 0, 0)};
  return check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), static_cast<cudaStream_t>(stream)),
               "cudaGraphLaunch");
}

void destroy_graph(void* graph) {
  static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)));
}

}  // namespace

const GpuBackend gpu_backend = {.count = count_gpus,
                                .open = open,
                                .free_memory = free_memory,
                                .allocate = allocate,
                                .release = release,
                                .to_device = to_device,
                                .to_host = to_host,
                                .zero = zero,
                                .allocate_pinned = allocate_pinned,
                                .release_pinned = release_pinned};

const StreamBackend stream_backend = {.make_stream = make_stream,
                                      .close = close,
                                      .wait = wait,
                                      .put = nullptr,
                                      .make_event = make_event,
                                      .destroy_event = destroy_event,
                                      .record = record_event,
                                      .make_wait = make_wait,
                                      .wait_for_event = wait_for_event,
                                      .begin_capture = begin_capture,
                                      .end_capture = end_capture,
                                      .launch_graph = launch_graph,
                                      .destroy_graph = destroy_graph};

}  // namespace bauta::cuda
