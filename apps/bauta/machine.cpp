#include "apps/bauta/machine.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <thread>

namespace bauta {
namespace {

constexpr int kMaxThreads = 1024;

Status check_simt() {
#if defined(BAUTA_HAS_SIMT)
  return {};
#else
  return Status::error("this build has no simt", "--device simt",
                       "build with -DBAUTA_SIMT=ON, or use --device cpu");
#endif
}

}  // namespace

std::string gpu_words(const GpuInfo& gpu) {
  return fmt::format("{}, sm_{}, {:.0f} GiB", gpu.name, gpu.capability,
                     static_cast<double>(gpu.memory) / (1 << 30));
}

std::string why_no_gpu(const Status& failure) {
  return failure.message().substr(0, failure.message().find(" (--device"));
}

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  // More cores than a cpu_set_t has room for.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option(
         "--device", options.device,
         "cpu, cuda, auto: the fastest that there is, or simt: the CUDA kernels on the CPU, for tests")
      ->check(CLI::IsMember({"cpu", "cuda", "simt", "auto"}))
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "threads that compute (default: the cores this process may use)")
      ->check(CLI::Range(1, kMaxThreads))
      ->type_name("N");
}

Status Machine::open_gpu(int rank_on_host) {
  const auto gpus = Gpu::count();
  if (!gpus.ok()) return gpus.status();
  auto gpu = Gpu::open(*gpus == 1 ? 0 : rank_on_host);
  if (!gpu.ok()) return gpu.status();
  gpu_ = std::move(*gpu);
  context_.backend = Backend::cuda;
  context_.stream = gpu_->stream();
  return {};
}

Result<Machine> Machine::open(const DeviceOptions& options) {
  const auto isa = select_isa();
  if (!isa.ok()) return isa.status();
  Machine machine;
  machine.pool_ = std::make_unique<ThreadPool>(
      options.threads > 0 ? options.threads : std::max(1, usable_cores() / options.ranks_on_host));
  machine.context_.isa = *isa;
  machine.context_.pool = machine.pool_.get();
  std::string device = fmt::format("cpu, ISA {}", isa_name(*isa));
  if (options.device == "simt") {
    BAUTA_TRY(check_simt());
    machine.context_.backend = Backend::simt;
    device = "simt (CUDA kernels on the CPU, every access checked)";
  } else if (options.device != "cpu") {
    const Status opened = machine.open_gpu(options.rank_on_host);
    if (opened.ok()) {
      device = fmt::format("cuda ({})", gpu_words(machine.gpu_->info()));
    } else if (options.device == "auto") {
      device = fmt::format("cpu (auto: {}), ISA {}", why_no_gpu(opened), isa_name(*isa));
    } else {
      return opened;
    }
  }
  machine.description_ =
      fmt::format("device {}, precision fp32, {} thread{}, {} rank{}", device, machine.threads(),
                  machine.threads() == 1 ? "" : "s", options.ranks, options.ranks == 1 ? "" : "s");
  return machine;
}

}  // namespace bauta
