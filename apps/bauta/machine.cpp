#include "apps/bauta/machine.h"

#include <fmt/format.h>
#include <sched.h>

#include <thread>

namespace bauta {
namespace {

constexpr int kMaxThreads = 1024;

}  // namespace

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  // More cores than a cpu_set_t has room for.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option("--device", options.device, "cpu, cuda, or auto: the fastest that there is")
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}))
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "threads that compute (default: the cores this process may use)")
      ->check(CLI::Range(1, kMaxThreads))
      ->type_name("N");
}

Result<Machine> Machine::open(const DeviceOptions& options) {
  if (options.device == "cuda") {
    return Status::error("this build has no CUDA backend", "--device cuda",
                         "use --device cpu or --device auto");
  }
  const auto isa = select_isa();
  if (!isa.ok()) return isa.status();
  Machine machine;
  machine.pool_ = std::make_unique<ThreadPool>(options.threads > 0 ? options.threads : usable_cores());
  machine.context_.isa = *isa;
  machine.context_.pool = machine.pool_.get();
  machine.description_ =
      fmt::format("device cpu{}, ISA {}, precision fp32, {} thread{}, 1 rank",
                  options.device == "auto" ? " (auto: this build has no CUDA backend)" : "", isa_name(*isa),
                  machine.threads(), machine.threads() == 1 ? "" : "s");
  return machine;
}

}  // namespace bauta
