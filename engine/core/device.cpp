#include "engine/core/device.h"

#include <cstdio>
#include <cstring>
#include <limits>
#include <new>

#include "engine/core/buffer.h"
#include "engine/core/stream.h"

namespace bauta {
namespace {

constexpr int kOldestCapability = 75;
constexpr int kOldestForBf16 = 80;
constexpr const char* kWhere = "--device cuda";

// Contexts of Backend::cuda come from a Gpu, which is only there when this is linked.
const GpuBackend& gpu() { return cuda::gpu_backend; }

bool on_gpu(const Context& context) { return context.backend == Backend::cuda; }

std::string sm(int capability) { return "sm_" + std::to_string(capability); }

std::string gibibytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

Status copy_in_order(const Context& context, const void* from, void* to, std::size_t bytes) {
  return do_in_order(context, [=] {
    std::memcpy(to, from, bytes);
    return Status();
  });
}

}  // namespace

Result<int> Gpu::count() {
  if (&cuda::gpu_backend == nullptr) {
    return Status::error("this build has no CUDA kernels", kWhere,
                         "build it where the CUDA toolkit is (-DBAUTA_CUDA=ON), or use --device cpu");
  }
  int gpus = 0;
  BAUTA_TRY(gpu().count(gpus));
  return gpus;
}

Result<Gpu> Gpu::open(int number) {
  const auto gpus = count();
  if (!gpus.ok()) return gpus.status();
  if (number >= *gpus) {
    return Status::error(
        "there is no GPU number " + std::to_string(number) + " among " + std::to_string(*gpus), kWhere,
        "start as many ranks on a host as it has GPUs, or use --device cpu");
  }
  Gpu result;
  void* stream = nullptr;
  BAUTA_TRY(gpu().open(number, result.info_, stream));
  result.stream_ = {stream, cuda::stream_backend.close};
  return result;
}

Status check_gpu(const GpuInfo& info, bool has_kernels, const std::string& built_for) {
  const std::string what = info.name + " is " + sm(info.capability);
  if (info.capability < kOldestCapability) {
    return Status::error(what + ", older than " + sm(kOldestCapability), kWhere,
                         "use a GPU of the Turing generation or later, or --device cpu");
  }
  if (has_kernels) return {};
  return Status::error(
      what + ", and this build's kernels are for " + built_for, kWhere,
      "build with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(info.capability) + ", or use --device cpu");
}

bool reads_host_memory(const Context& context) {
  return context.backend == Backend::cpu || context.backend == Backend::reference;
}

Status check_precision(const GpuInfo& info, Precision precision) {
  if (precision != Precision::bf16) return {};
  if (info.capability < kOldestForBf16) {
    return Status::error(info.name + " is " + sm(info.capability) + ", whose tensor cores have no bf16",
                         "--precision bf16",
                         "use a GPU of the Ampere generation or later, or --precision fp32");
  }
  if (info.kernels >= kOldestForBf16) return {};
  return Status::error("this build's kernels are for " + sm(info.kernels) + ", which has no bf16",
                       "--precision bf16",
                       "build with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(info.capability) +
                           ", or use --precision fp32");
}

Result<std::size_t> free_memory(const Context& context) {
  std::size_t bytes = std::numeric_limits<std::size_t>::max();
  if (on_gpu(context)) BAUTA_TRY(gpu().free_memory(bytes));
  return bytes;
}

int largest_batch(std::size_t free, int most, const std::function<std::size_t(int batch)>& needed) {
  if (needed(most) <= free) return most;
  int fits = 0;
  int too_large = most;
  while (too_large - fits > 1) {
    const int middle = fits + (too_large - fits) / 2;
    (needed(middle) <= free ? fits : too_large) = middle;
  }
  return fits;
}

Status check_memory(std::size_t free, int batch, const std::function<std::size_t(int batch)>& needed) {
  const int fits = largest_batch(free, batch, needed);
  if (fits == batch) return {};
  return Status::error("a batch of " + std::to_string(batch) + " needs " + gibibytes(needed(batch)) +
                           " of the GPU's memory, of which " + gibibytes(free) + " are free",
                       "--batch",
                       fits > 0 ? "use --batch " + std::to_string(fits) + " or less"
                                : "not even a batch of 1 fits, use a larger GPU or --device cpu");
}

Result<DeviceMemory> allocate_on_device(const Context& context, std::size_t bytes) {
  if (!on_gpu(context)) {
    return DeviceMemory(allocate_zeroed(bytes),
                        [](void* memory) { ::operator delete (memory, std::align_val_t{64}); });
  }
  void* memory = nullptr;
  BAUTA_TRY(gpu().allocate(bytes, memory));
  return DeviceMemory(memory, gpu().release);
}

Status copy_bytes_to_device(const Context& context, const void* from, void* to, std::size_t bytes) {
  BAUTA_TRY(start_copying_bytes_to_device(context, from, to, bytes));
  return wait_for_stream(context);
}

Status copy_bytes_to_host(const Context& context, const void* from, void* to, std::size_t bytes) {
  BAUTA_TRY(start_copying_bytes_to_host(context, from, to, bytes));
  return wait_for_stream(context);
}

Status zero_on_device(const Context& context, void* memory, std::size_t bytes) {
  if (bytes == 0) return {};
  if (on_gpu(context)) return gpu().zero(context.stream, memory, bytes);
  return do_in_order(context, [=] {
    std::memset(memory, 0, bytes);
    return Status();
  });
}

Result<DeviceMemory> allocate_for_transfers(const Context& context, std::size_t bytes) {
  if (!on_gpu(context)) return allocate_on_device(context, bytes);
  void* memory = nullptr;
  BAUTA_TRY(gpu().allocate_pinned(bytes, memory));
  std::memset(memory, 0, bytes);
  return DeviceMemory(memory, gpu().release_pinned);
}

Status start_copying_bytes_to_device(const Context& context, const void* from, void* to, std::size_t bytes) {
  if (bytes == 0) return {};
  if (on_gpu(context)) return gpu().to_device(context.stream, from, to, bytes);
  return copy_in_order(context, from, to, bytes);
}

Status start_copying_bytes_to_host(const Context& context, const void* from, void* to, std::size_t bytes) {
  if (bytes == 0) return {};
  if (on_gpu(context)) return gpu().to_host(context.stream, from, to, bytes);
  return copy_in_order(context, from, to, bytes);
}

}  // namespace bauta
