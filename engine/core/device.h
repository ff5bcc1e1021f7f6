#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/common.h"

/// The device that a Context computes on, and its memory: a GPU's for Backend::cuda, the host's for all
/// others. CUDA itself is met in device.cu, which programs without it leave out, and in
/// engine/comm/nccl.cpp. In which order a device does its work: stream.h.
namespace bauta {

/// What a GPU is.
struct GpuInfo {
  std::string name;
  int capability = 0;      ///< 90: sm_90
  std::size_t memory = 0;  ///< bytes, free or not
  int kernels = 0;         ///< the capability that this build's kernels for it were compiled for
};

/// A GPU that is ready to compute.
class Gpu {
 public:
  /// GPUs that CUDA_VISIBLE_DEVICES leaves, at least 1. Fails, saying what to do, where the program was built
  /// without CUDA, and where there is no driver or no GPU.
  static Result<int> count();
  /// The one with this number among them, which the calling thread computes on from here on. Fails where
  /// count() does, where there is none with this number, and where none of this build's kernels are for it.
  static Result<Gpu> open(int number = 0);

  const GpuInfo& info() const { return info_; }
  /// What Context::stream is to be, as long as the Gpu lives.
  void* stream() const { return stream_.get(); }

 private:
  Gpu() = default;

  GpuInfo info_;
  std::unique_ptr<void, void (*)(void*)> stream_{nullptr, [](void*) {}};
};

/// Fails where the GPU is older than sm_75, and where `has_kernels` says that this build's kernels, which are
/// for `built_for`, do not run on it.
Status check_gpu(const GpuInfo&, bool has_kernels, const std::string& built_for);

/// Whether the context's kernels read what the host has in its memory, wherever it lies.
bool reads_host_memory(const Context&);

/// Fails where the GPU cannot compute in this precision, or this build's kernels for it cannot.
Status check_precision(const GpuInfo&, Precision);

/// Of a GPU's memory, left to kernels, recorded graphs and whatever else needs some.
inline constexpr std::size_t kGpuReserve = std::size_t{256} << 20;

/// Bytes of the device's memory that are free; for a host's memory, of which nobody knows, the largest
/// number.
Result<std::size_t> free_memory(const Context&);

/// The largest batch, of at most `most` samples, that needs no more than the bytes that are free; 0 if none.
/// `needed(batch)` does not fall as the batch grows.
int largest_batch(std::size_t free, int most, const std::function<std::size_t(int batch)>& needed);

/// Fails where the bytes that `batch` samples need are not free, and says which batch would fit.
/// `needed(batch)` does not fall as the batch grows.
Status check_memory(std::size_t free, int batch, const std::function<std::size_t(int batch)>& needed);

/// Memory that frees itself: at 64-byte boundaries, zeroed.
using DeviceMemory = std::unique_ptr<void, void (*)(void*)>;
/// Of the device; fails where a GPU has no such memory left.
Result<DeviceMemory> allocate_on_device(const Context&, std::size_t bytes);

/// Of the host, which the device copies to and from while the host goes on; fails where no more may be
/// pinned.
Result<DeviceMemory> allocate_for_transfers(const Context&, std::size_t bytes);

/// Copies bytes between host and device, when the context's stream has done all that it was given before; and
/// waits for that.
Status copy_bytes_to_device(const Context&, const void* from, void* to, std::size_t bytes);
Status copy_bytes_to_host(const Context&, const void* from, void* to, std::size_t bytes);
/// Copies between the device and memory for transfers that are done when the device comes to them.
Status start_copying_bytes_to_device(const Context&, const void* from, void* to, std::size_t bytes);
Status start_copying_bytes_to_host(const Context&, const void* from, void* to, std::size_t bytes);
/// Sets bytes of the device's memory to 0 when the context's stream comes to it; does not wait.
Status zero_on_device(const Context&, void* memory, std::size_t bytes);

/// `to` is at least as long as `from`.
template <class T>
Status copy_to_device(const Context& context, std::span<const T> from,
                      std::span<std::type_identity_t<T>> to) {
  return copy_bytes_to_device(context, from.data(), to.data(), from.size_bytes());
}
template <class T>
Status copy_to_host(const Context& context, std::span<const T> from, std::span<std::type_identity_t<T>> to) {
  return copy_bytes_to_host(context, from.data(), to.data(), from.size_bytes());
}

/// What lies in an array of the device's.
template <class T>
Result<std::vector<T>> on_host(const Context& context, std::span<const T> array) {
  std::vector<T> copy(array.size());
  BAUTA_TRY(copy_to_host(context, array, std::span(copy)));
  return copy;
}

/// An owned array of trivial T, aligned for any vector (64 bytes) and zeroed, in memory that kAllocate gives.
template <class T, Result<DeviceMemory> (*kAllocate)(const Context&, std::size_t bytes)>
class OwnedArray {
 public:
  OwnedArray() = default;
  static Result<OwnedArray> create(const Context& context, std::size_t size) {
    OwnedArray array;
    BAUTA_TRY(array.allocate(context, size));
    return array;
  }
  /// Replaces what there is by `size` zeros. Both exist for a moment; after a failure the old is still there.
  Status allocate(const Context& context, std::size_t size) {
    BAUTA_TRY(put_into(memory_, kAllocate(context, size * sizeof(T))));
    size_ = size;
    return {};
  }

  T* data() const { return static_cast<T*>(memory_.get()); }
  std::size_t size() const { return size_; }
  std::span<T> span() const { return {data(), size_}; }

 private:
  DeviceMemory memory_{nullptr, [](void*) {}};
  std::size_t size_ = 0;
};

/// In the device's memory: the host may read its elements only where the device's memory is the host's.
template <class T>
using DeviceBuffer = OwnedArray<T, allocate_on_device>;
/// In the host's memory, for copies that go on while the host does: what start_copy_to_device and its kin
/// take.
template <class T>
using TransferBuffer = OwnedArray<T, allocate_for_transfers>;

/// Copies that the device makes when it comes to them; the host's array is a TransferBuffer's, and left alone
/// until an Event that is recorded behind has come. `to` is at least as long as `from`.
template <class T>
Status start_copy_to_device(const Context& context, std::span<const T> from,
                            std::span<std::type_identity_t<T>> to) {
  return start_copying_bytes_to_device(context, from.data(), to.data(), from.size_bytes());
}
template <class T>
Status start_copy_to_host(const Context& context, std::span<const T> from,
                          std::span<std::type_identity_t<T>> to) {
  return start_copying_bytes_to_host(context, from.data(), to.data(), from.size_bytes());
}

/// What device.cu gives.
struct GpuBackend {
  Status (*count)(int& gpus);
  Status (*open)(int number, GpuInfo& info, void*& stream);
  Status (*free_memory)(std::size_t& bytes);
  Status (*allocate)(std::size_t bytes, void*& memory);
  void (*release)(void* memory);
  /// Both start a copy, of at least 1 byte.
  Status (*to_device)(void* stream, const void* from, void* to, std::size_t bytes);
  Status (*to_host)(void* stream, const void* from, void* to, std::size_t bytes);
  Status (*zero)(void* stream, void* memory, std::size_t bytes);
  Status (*allocate_pinned)(std::size_t bytes, void*& memory);
  void (*release_pinned)(void* memory);
};
namespace cuda {
/// Weak: null in a program without CUDA.
[[gnu::weak]] extern const GpuBackend gpu_backend;
}  // namespace cuda

}  // namespace bauta
