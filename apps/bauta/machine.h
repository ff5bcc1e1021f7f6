#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "engine/core/device.h"
#include "engine/core/vendor.h"
#include "kernels/common.h"

namespace bauta {

/// Whose products a GPU computes: ours, or those of cuDNN and cuBLASLt.
enum class Kernels { hand, vendor };

inline const char* kernels_name(Kernels kernels) { return kernels == Kernels::vendor ? "vendor" : "hand"; }

/// --device, --kernels, --precision and --threads.
struct DeviceOptions {
  std::string device = "auto";
  Precision precision = Precision::fp32;
  int threads = 0;        ///< 0: the cores that this process may use, shared among the ranks on this host
  int ranks = 1;          ///< processes of the run
  int ranks_on_host = 1;  ///< those on this host
  int rank_on_host = 0;   ///< this one's number among them, and its GPU's
  Kernels kernels = Kernels::hand;
};

void add_device_options(CLI::App&, DeviceOptions&);
/// --kernels and --precision alone, for commands with a way of their own to name devices.
void add_products_options(CLI::App&, Kernels&, Precision&);
/// --threads alone.
void add_threads_option(
    CLI::App&, int& threads,
    const std::string& description = "threads of each rank that compute (default: the cores it may use)");

/// Who computes: the device and the threads that were asked for.
class Machine {
 public:
  /// Fails where the device, the kernels or the ISA that BAUTA_ISA names cannot be had, or have not the
  /// precision. `auto` is the GPU where there is one, else the CPU. Of several GPUs a rank takes the one with
  /// its number on the host; a single one is taken for the rank's own, as launchers may let each see. Warns
  /// of more threads than cores.
  static Result<Machine> open(const DeviceOptions&);

  /// Valid while the machine lives.
  const Context& context() const { return context_; }
  int threads() const { return pool_->size(); }
  /// The GPU that computes; null where none does.
  const GpuInfo* gpu() const { return gpu_ ? &gpu_->info() : nullptr; }
  /// What a run says first: "device cpu, ISA avx2, precision fp32, 2 threads, 1 rank".
  const std::string& description() const { return description_; }

 private:
  Status open_gpu(int rank_on_host);
  /// why_cpu: why `auto` took the CPU, if it did.
  Status open_vendor(const std::string& why_cpu);

  std::unique_ptr<ThreadPool> pool_;
  std::optional<Gpu> gpu_;
  std::optional<Vendor> vendor_;  // has memory of the GPU's
  Context context_;
  std::string description_;
};

/// The GPU in words: "NVIDIA H100 80GB HBM3, sm_90, 79 GiB".
std::string gpu_words(const GpuInfo&);

}  // namespace bauta
