#include <memory>

#include "apps/bauta/command.h"
#include "apps/bauta/kernel_counts.h"
#include "apps/bauta/kernel_times.h"
#include "apps/bauta/options.h"
#include "apps/bauta/terminal.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta bench kernels
      The memory traffic of each CUDA kernel in a training step of the study's network, counted under simt.
  bauta bench kernels --batch 1 --gpu a100
      One image, in a tenth of the time; the roof of another GPU.
  bauta bench kernels --precision bf16
      The kernels that use tensor cores; mma: their m16n8k16 instructions.
  bauta bench kernels --json | jq '.launches[] | select(.sectors > 1.1 * .model)'
  bauta bench kernels --device cuda
      The same launches timed on a GPU, beside the roofs that were measured on it.
  bauta bench kernels --device cuda --kernels vendor
      The products of cuDNN and cuBLASLt, and what is around them; what their kernels move is not known.

A row is a launch. The images, which are the next step's, go on beside the rest, and so do wgrads, which come just
before the optimiser. Counted: requested: bytes that its threads read and write in global memory. sectors: bytes in
the 32-byte sectors that its warps' accesses touch. model: the same by the kernel's own formula. floor: every input
once, every output once. conflict degree: passes over the banks of shared memory per pass without bank conflicts.
roof us: the least time by the roofline of the GPU that --gpu names: the floor from its memory and the other sectors
from its L2 cache, or the multiply-adds, whichever takes longer. Timed: us: the mean of 20 launches. moved: the
model's bytes per second. roof us: as above, of the GPU as it was measured.)";

struct KernelsArguments {
  int batch = 32;
  const GpuPeak* gpu = kPeaks.data();
  bool gpu_named = false;
  bool json = false;
  DeviceOptions device{"simt"};
};

Result<int> run_kernels(const KernelsArguments& arguments) {
  if (arguments.gpu_named && arguments.device.device == "cuda") {
    return Status::usage("--gpu applies only to --device simt", "--device cuda",
                         "leave --gpu out: the GPU at hand is measured");
  }
  if (arguments.device.device == "cuda" && !Gpu::count().ok()) {
    return Status::error("there is no GPU to time kernels on", "--device cuda",
                         "bauta info --device cuda says why; without this option simt counts on the CPU");
  }
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  print_note(machine->description(), arguments.json);
#if defined(BAUTA_HAS_SIMT)
  if (arguments.device.device == "simt") {
    return count_kernels(*machine, arguments.batch, *arguments.gpu, arguments.json);
  }
#endif
  return time_kernels(*machine, arguments.batch, arguments.json);
}

}  // namespace

Command bench_kernels_command(CLI::App& bench) {
  CLI::App* kernels =
      bench.add_subcommand("kernels", "Counts the memory traffic of the CUDA kernels, or times them");
  kernels->footer(kExamples);
  auto arguments = std::make_shared<KernelsArguments>();
  add_batch_option(*kernels, arguments->batch, "images of the step");
  std::vector<std::pair<std::string, const GpuPeak*>> gpus;
  gpus.reserve(std::size(kPeaks));
  for (const GpuPeak& gpu : kPeaks) gpus.emplace_back(gpu.name, &gpu);
  const CLI::Option* gpu =
      add_choice(*kernels, "--gpu", arguments->gpu, gpus, "the GPU whose roof counts are set against");
  add_switch(*kernels, "--json", arguments->json, "one object of JSON on stdout");
  kernels->add_option("--device", arguments->device.device, "simt, on the CPU: counts; cuda, a GPU: times")
      ->check(CLI::IsMember({"simt", "cuda"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_products_options(*kernels, arguments->device.kernels, arguments->device.precision);
  add_threads_option(*kernels, arguments->device.threads);
  return {kernels, [arguments, gpu] {
            arguments->gpu_named = gpu->count() > 0;
            return run_kernels(*arguments);
          }};
}

}  // namespace bauta
