#include "apps/bauta/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/bauta/options.h"
#include "apps/bauta/terminal.h"
#include "engine/core/host.h"

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

// Where an option was refused; why a CPU was taken is empty, or auto's reason.
std::string option_on_cpu(const std::string& option, const std::string& why) {
  return option + (why.empty() ? "" : ", where auto took the CPU: " + why);
}

Status refuse_bf16_on_cpu(const std::string& why) {
  return Status::usage("the CPU computes in fp32 alone", option_on_cpu("--precision bf16", why),
                       "use --precision fp32, or --device cuda on a machine with a GPU");
}

void warn_of_crowded_cores(int threads) {
  if (threads <= usable_cores()) return;
  print_warning(fmt::format("{} share {} (--threads {}): leave the option out, and there is one for each",
                            counted(threads, "thread"), counted(usable_cores(), "core"), threads));
}

}  // namespace

std::string gpu_words(const GpuInfo& gpu) {
  return fmt::format("{}, sm_{}, {:.0f} GiB", gpu.name, gpu.capability,
                     static_cast<double>(gpu.memory) / (1 << 30));
}

void add_products_options(CLI::App& app, Kernels& kernels, Precision& precision) {
  add_choice<Kernels>(
      app, "--kernels", kernels, {{"hand", Kernels::hand}, {"vendor", Kernels::vendor}},
      "a GPU's kernels for convolutions and linear layers: bauta's, or cuDNN's and cuBLASLt's");
  add_choice<Precision>(
      app, "--precision", precision, {{"fp32", Precision::fp32}, {"bf16", Precision::bf16}},
      "operands of matrix products: fp32, or bf16 (tensor cores) with fp32 accumulation and weights");
}

void add_threads_option(CLI::App& app, int& threads, const std::string& description) {
  add_whole_number(app, "--threads", threads, description, 1, kMaxThreads);
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option(
         "--device", options.device,
         "cpu; cuda; auto: cuda if there is a GPU, else cpu; simt: the CUDA kernels on the CPU, for tests")
      ->check(CLI::IsMember({"cpu", "cuda", "simt", "auto"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_products_options(app, options.kernels, options.precision);
  add_threads_option(app, options.threads);
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

Status Machine::open_vendor(const std::string& why_cpu) {
  if (context_.backend != Backend::cuda) {
    return Status::usage("cuDNN and cuBLASLt run only on a GPU", option_on_cpu("--kernels vendor", why_cpu),
                         "use --kernels hand, or --device cuda on a machine with a GPU");
  }
  auto vendor = Vendor::open(context_);
  if (!vendor.ok()) return vendor.status();
  vendor_ = std::move(*vendor);
  context_.vendor = &vendor_->libraries();
  return {};
}

Result<Machine> Machine::open(const DeviceOptions& options) {
  const auto isa = select_isa();
  if (!isa.ok()) return isa.status();
  Machine machine;
  machine.pool_ = std::make_unique<ThreadPool>(
      options.threads > 0 ? options.threads : std::max(1, usable_cores() / options.ranks_on_host));
  BAUTA_TRY(machine.pool_->status());
  warn_of_crowded_cores(machine.threads());
  machine.context_.isa = *isa;
  machine.context_.precision = options.precision;
  machine.context_.pool = machine.pool_.get();
  std::string device = fmt::format("cpu, ISA {}", isa_name(*isa));
  std::string why_cpu;
  if (options.device == "simt") {
    BAUTA_TRY(check_simt());
    machine.context_.backend = Backend::simt;
    device = "simt (CUDA kernels on the CPU, every access checked)";
  } else if (options.device != "cpu") {
    const Status opened = machine.open_gpu(options.rank_on_host);
    if (opened.ok()) {
      BAUTA_TRY(check_precision(machine.gpu_->info(), options.precision));
      device = fmt::format("cuda ({})", gpu_words(machine.gpu_->info()));
    } else if (options.device == "auto") {
      why_cpu = opened.what();
      device = fmt::format("cpu (auto: {}), ISA {}", why_cpu, isa_name(*isa));
    } else {
      return opened;
    }
  }
  if (options.precision == Precision::bf16 && machine.context_.backend == Backend::cpu)
    return refuse_bf16_on_cpu(why_cpu);
  if (options.kernels == Kernels::vendor) {
    BAUTA_TRY(machine.open_vendor(why_cpu));
    device += fmt::format(", kernels vendor ({})", machine.vendor_->libraries().description());
  }
  machine.description_ =
      fmt::format("device {}, precision {}, {}, {}", device, precision_name(options.precision),
                  counted(machine.threads(), "thread"), counted(options.ranks, "rank"));
  return machine;
}

}  // namespace bauta
