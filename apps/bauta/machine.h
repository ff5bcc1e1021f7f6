#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "kernels/common.h"

namespace bauta {

/// --device and --threads.
struct DeviceOptions {
  std::string device = "auto";
  int threads = 0;  ///< 0: as many as the cores that this process may use
};

void add_device_options(CLI::App&, DeviceOptions&);

/// Who computes: the device and the threads that were asked for.
class Machine {
 public:
  /// Fails where the device or the ISA that BAUTA_ISA names cannot be had.
  static Result<Machine> open(const DeviceOptions&);

  /// Valid while the machine lives.
  const Context& context() const { return context_; }
  int threads() const { return pool_->size(); }
  /// What a run says first: "device cpu, ISA avx2, precision fp32, 2 threads, 1 rank".
  const std::string& description() const { return description_; }

 private:
  std::unique_ptr<ThreadPool> pool_;
  Context context_;
  std::string description_;
};

/// Cores that this process may use: its affinity, not the machine's size.
int usable_cores();

}  // namespace bauta
