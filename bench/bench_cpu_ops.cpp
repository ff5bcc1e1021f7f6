/// Times every op's CPU kernels on the cases that its test uses, against what the CPU can do at most. (What
/// CUDA kernels take: bauta bench kernels.)
///   bench_cpu_ops [--threads=N] [Google Benchmark's options: --benchmark_filter=conv2d ...]
/// The ISA is the widest, or BAUTA_ISA's. FLOP/s and B/s are of the op's formula: every product is counted,
/// those with zeros too, and every array is moved once (twice where it is updated).

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/buffer.h"
#include "engine/core/host.h"
#include "engine/core/rng.h"
#include "kernels/adam/adam_cases.h"
#include "kernels/conv2d/conv2d_cases.h"
#include "kernels/conv_relu_pool/conv_relu_pool_cases.h"
#include "kernels/gather_images/gather_images_cases.h"
#include "kernels/linear/linear_cases.h"
#include "kernels/maxpool/maxpool_cases.h"
#include "kernels/peak/peak.h"
#include "kernels/relu/relu_cases.h"
#include "kernels/sgd/sgd_cases.h"
#include "kernels/softmax_xent/softmax_xent_cases.h"

namespace bauta {
namespace {

struct Bench {
  std::unique_ptr<ThreadPool> pool;
  Context context;
  double fma_peak = 0;   // flop/s
  double bandwidth = 0;  // B/s

  /// Registers one benchmark: `op` is given `sizes.size()` arrays of so many floats, uniform in [0, 1).
  using Op = std::function<Status(const Context&, const std::vector<float*>&)>;
  void add(const std::string& name, double flop, double bytes, const std::vector<Index>& sizes, const Op& op,
           std::size_t workspace = 0) const {
    const auto body = [=, this](benchmark::State& state) { run(state, flop, bytes, sizes, op, workspace); };
    benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMicrosecond);
  }

 private:
  void run(benchmark::State& state, double flop, double bytes, const std::vector<Index>& sizes, const Op& op,
           std::size_t workspace) const {
    std::vector<Buffer<float>> buffers;
    std::vector<float*> arrays;
    for (const Index size : sizes) {
      Rng rng(arrays.size(), RngStream::init);
      Buffer<float>& buffer = buffers.emplace_back(static_cast<std::size_t>(size));
      for (float& value : buffer.span()) value = rng.uniform();
      arrays.push_back(buffer.data());
    }
    Buffer<std::byte> scratch(workspace);
    Context with_scratch = context;
    with_scratch.workspace = scratch.span();
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    for (auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): the library's way to count
      if (const Status status = op(with_scratch, arrays); !status.ok()) {
        state.SkipWithError(status.message().c_str());
        return;
      }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double runs_per_second = static_cast<double>(state.iterations()) / seconds;
    if (flop > 0) state.counters["GFLOP/s"] = 1e-9 * flop * runs_per_second;
    if (flop > 0) state.counters["of_fma_peak"] = flop * runs_per_second / fma_peak;
    state.counters["GB/s"] = 1e-9 * bytes * runs_per_second;
    state.counters["of_bandwidth"] = bytes * runs_per_second / bandwidth;
  }
};

std::string label(std::initializer_list<Index> sizes) {
  std::string text;
  for (const Index size : sizes) {
    if (!text.empty()) text += 'x';
    text += std::to_string(size);
  }
  return text;
}

double floats(std::initializer_list<Index> sizes) {
  Index sum = 0;
  for (const Index size : sizes) sum += size;
  return 4.0 * static_cast<double>(sum);
}

std::uint8_t* bytes_of(float* array) { return reinterpret_cast<std::uint8_t*>(array); }

void add_linear(const Bench& bench) {
  for (const LinearShape& s : kLinearCases) {
    const Index x = s.x_size();
    const Index y = s.y_size();
    const Index w = s.w_size();
    const Index b = s.out_features;
    const double flop = 2.0 * static_cast<double>(w) * s.batch;
    const std::string name = label({s.batch, s.in_features, s.out_features});
    bench.add("linear/forward/" + name, flop, floats({x, w, b, y}), {x, w, b, y},
              [=](const Context& c, auto& a) { return linear_forward(c, s, a[0], a[1], a[2], a[3]); });
    bench.add("linear/dgrad/" + name, flop, floats({y, w, s.relu_before ? 2 * x : x}), {y, w, x, x},
              [=](const Context& c, auto& a) { return linear_dgrad(c, s, a[0], a[1], a[2], a[3]); });
    bench.add("linear/wgrad/" + name, flop, floats({x, y, w, b}), {x, y, w, b},
              [=](const Context& c, auto& a) {
                return linear_wgrad(c, s, Shards{s.batch}, a[0], a[1], a[2], a[3]);
              });
  }
}

void add_conv2d(const Bench& bench) {
  for (const Conv2dShape& s : kConv2dCases) {
    const Index x = Index{s.batch} * s.in_h * s.in_w * s.in_channels;
    const Index y = Index{s.batch} * s.out_h * s.out_w * s.out_channels;
    const Index w = Index{s.kernel} * s.kernel * s.in_channels * s.out_channels;
    const Index b = s.out_channels;
    const double flop = 2.0 * static_cast<double>(y) * s.kernel * s.kernel * s.in_channels;
    const std::string name = label({s.batch, s.in_h, s.in_w, s.in_channels}) + "_to_" +
                             label({s.out_h, s.out_w, s.out_channels}) + "_k" + std::to_string(s.kernel) +
                             "_s" + std::to_string(s.stride);
    const auto workspace = [&](Pass pass) { return conv2d_workspace(bench.context, s, pass); };
    bench.add(
        "conv2d/forward/" + name, flop, floats({x, w, b, y}), {x, w, b, y},
        [=](const Context& c, auto& a) { return conv2d_forward(c, s, a[0], a[1], a[2], a[3]); },
        workspace(Pass::forward));
    bench.add(
        "conv2d/dgrad/" + name, flop, floats({y, w, x}), {y, w, x},
        [=](const Context& c, auto& a) { return conv2d_dgrad(c, s, a[0], a[1], a[2]); },
        workspace(Pass::dgrad));
    bench.add(
        "conv2d/wgrad/" + name, flop, floats({x, y, w, b}), {x, y, w, b},
        [=](const Context& c, auto& a) {
          return conv2d_wgrad(c, s, Shards{s.batch}, a[0], a[1], a[2], a[3]);
        },
        workspace(Pass::wgrad));
  }
}

void add_conv_relu_pool(const Bench& bench) {
  for (const ConvReluPoolShape& s : kConvReluPoolCases) {
    const Index x = Index{s.batch} * s.in_h * s.in_w * s.in_channels;
    const Index positions = Index{s.batch} * s.out_h * s.out_w;
    const Index y = positions * s.out_channels;
    const Index argmax = positions * s.argmax_stride();  // bytes
    const Index w = Index{s.kernel} * s.kernel * s.in_channels * s.out_channels;
    const Index b = s.out_channels;
    const double flop = 8.0 * static_cast<double>(y) * s.kernel * s.kernel * s.in_channels;
    const auto argmax_bytes = static_cast<double>(argmax);
    const std::string name = label({s.batch, s.in_h, s.in_w, s.in_channels}) + "_to_" +
                             label({s.out_h, s.out_w, s.out_channels}) + "_k" + std::to_string(s.kernel) +
                             "_s" + std::to_string(s.stride);
    const auto workspace = [&](Pass pass) { return conv_relu_pool_workspace(bench.context, s, pass); };
    bench.add(
        "conv_relu_pool/forward/" + name, flop, floats({x, w, b, y}) + argmax_bytes, {x, w, b, y, argmax},
        [=](const Context& c, auto& a) {
          return conv_relu_pool_forward(c, s, a[0], a[1], a[2], a[3], bytes_of(a[4]));
        },
        workspace(Pass::forward));
    bench.add(
        "conv_relu_pool/dgrad/" + name, flop, floats({y, y, w, x}) + argmax_bytes, {y, y, argmax, w, x},
        [=](const Context& c, auto& a) {
          return conv_relu_pool_dgrad(c, s, a[0], a[1], bytes_of(a[2]), a[3], a[4]);
        },
        workspace(Pass::dgrad));
    bench.add(
        "conv_relu_pool/wgrad/" + name, flop, floats({x, y, y, w, b}) + argmax_bytes, {x, y, y, argmax, w, b},
        [=](const Context& c, auto& a) {
          return conv_relu_pool_wgrad(c, s, Shards{s.batch}, a[0], a[1], a[2], bytes_of(a[3]), a[4], a[5]);
        },
        workspace(Pass::wgrad));
  }
}

void add_maxpool(const Bench& bench) {
  for (const MaxPoolShape& s : kMaxPoolCases) {
    const Index x = Index{s.batch} * s.in_h * s.in_w * s.channels;
    const Index y = Index{s.batch} * s.out_h * s.out_w * s.channels;
    const double bytes = floats({x, y}) + static_cast<double>(y);
    const std::string name = label({s.batch, s.in_h, s.in_w, s.channels}) + "_w" + std::to_string(s.window) +
                             "_s" + std::to_string(s.stride);
    bench.add("maxpool/forward/" + name, 0, bytes, {x, y, y},
              [=](const Context& c, auto& a) { return maxpool_forward(c, s, a[0], a[1], bytes_of(a[2])); });
    bench.add("maxpool/dgrad/" + name, 0, bytes, {y, y, x},
              [=](const Context& c, auto& a) { return maxpool_dgrad(c, s, a[0], bytes_of(a[1]), a[2]); });
  }
}

void add_softmax_xent(const Bench& bench) {
  for (const SoftmaxXentShape& s : kSoftmaxXentCases) {
    const Index size = Index{s.batch} * s.classes;
    const std::string name = label({s.batch, s.classes});
    const auto labels = std::make_shared<Buffer<std::int32_t>>(static_cast<std::size_t>(s.batch));  // all 0
    bench.add("softmax_xent/loss/" + name, 0, floats({size, s.batch, s.classes, s.batch, size}),
              {size, s.classes, s.batch, size}, [=](const Context& c, auto& a) {
                return softmax_xent_loss(c, s, a[0], labels->data(), a[1], a[1], {a[2], a[3]});
              });
    bench.add("softmax/forward/" + name, 0, floats({size, size}), {size, size},
              [=](const Context& c, auto& a) { return softmax_forward(c, s, a[0], a[1]); });
  }
}

void add_gather_images(const Bench& bench) {
  for (const GatherImagesShape& s : kGatherImagesCases) {
    const Index size = Index{s.height} * s.width * s.channels;
    const Index n = s.batch * size;
    const auto samples = std::make_shared<Buffer<std::int32_t>>(static_cast<std::size_t>(s.batch));  // all 0
    bench.add("gather_images/forward/" + label({s.batch, s.height, s.width, s.channels}), 0,
              5.0 * static_cast<double>(n), {size * s.images, n}, [=](const Context& c, auto& a) {
                return gather_images(c, s, bytes_of(a[0]), samples->data(), nullptr, a[1]);
              });
  }
}

void add_elementwise(const Bench& bench) {
  for (const Index n : kReluCases) {
    bench.add("relu/forward/" + label({n}), 0, floats({n, n}), {n, n},
              [=](const Context& c, auto& a) { return relu_forward(c, n, a[0], a[1]); });
    bench.add("relu/dgrad/" + label({n}), 0, floats({n, n, n}), {n, n, n},
              [=](const Context& c, auto& a) { return relu_dgrad(c, n, a[0], a[1], a[2]); });
  }
}

void add_optimizers(const Bench& bench) {
  for (const Index n : kAdamCases) {
    bench.add("adam/step/" + label({n}), 0, 28.0 * static_cast<double>(n), {n, n, n, n},
              [=, numbers = *adam_numbers({})](const Context& c, auto& a) {
                return adam_step(c, numbers.data(), nullptr, n, a[0], a[1], a[2], a[3]);
              });
  }
  for (const Index n : kSgdCases) {
    bench.add("sgd/step/" + label({n}), 0, 20.0 * static_cast<double>(n), {n, n, n},
              [=, numbers = *sgd_numbers({})](const Context& c, auto& a) {
                return sgd_step(c, numbers.data(), nullptr, n, a[0], a[1], a[2]);
              });
  }
}

/// The number of threads that the options left by Google Benchmark ask for; 0 when they make no sense.
int parse_threads(int argc, char** argv) {
  const std::string option = "--threads=";
  int threads = usable_cores();
  for (int i = 1; i < argc; ++i) {
    if (!std::string(argv[i]).starts_with(option)) return 0;
    threads = std::atoi(argv[i] + option.size());
  }
  return threads < 0 ? 0 : threads;
}

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const int threads = parse_threads(argc, argv);
  const Result<Isa> isa = select_isa();
  if (!isa.ok() || threads == 0) {
    const std::string usage =
        "usage: bench_cpu_ops [--threads=N] [--benchmark_filter=REGEX] [--benchmark_...]";
    std::fprintf(stderr, "bench_cpu_ops: error: %s\n",
                 isa.ok() ? usage.c_str() : isa.status().message().c_str());
    return 2;
  }
  Bench bench;
  bench.pool = std::make_unique<ThreadPool>(threads);
  if (const Status& status = bench.pool->status(); !status.ok()) {
    std::fprintf(stderr, "bench_cpu_ops: error: %s\n", status.message().c_str());
    return 1;
  }
  bench.context.isa = *isa;
  bench.context.pool = bench.pool.get();
  bench.fma_peak = measure_fma_peak(bench.context);
  bench.bandwidth = measure_bandwidth(bench.context);
  benchmark::AddCustomContext("isa", isa_name(*isa));
  benchmark::AddCustomContext("threads", std::to_string(threads));
  benchmark::AddCustomContext("fma peak, GFLOP/s", std::to_string(bench.fma_peak * 1e-9));
  benchmark::AddCustomContext("bandwidth, GB/s", std::to_string(bench.bandwidth * 1e-9));
  add_conv2d(bench);
  add_conv_relu_pool(bench);
  add_linear(bench);
  add_maxpool(bench);
  add_elementwise(bench);
  add_softmax_xent(bench);
  add_gather_images(bench);
  add_optimizers(bench);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace bauta

int main(int argc, char** argv) { return bauta::main(argc, argv); }
