#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/buffer.h"
#include "engine/core/device.h"
#include "engine/core/rng.h"
#include "engine/core/vendor.h"
#include "kernels/common.h"
#include "kernels/simt/limits.h"
#include "tests/kernels/reference_vendor.h"

/// What every op's test stands on. An op's test file lists its cases (NAME_cases.h), and for each of them and
/// each backend compares forward, dgrad and wgrad with the reference, and the reference with finite
/// differences.
namespace bauta::testing {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInf = std::numeric_limits<float>::infinity();

/// For EXPECT_TRUE and ASSERT_TRUE, which then print what went wrong: under simt, the fault and its line.
inline ::testing::AssertionResult succeeded(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.message();
}

/// A way to compute on this machine: backend, ISA, threads, precision and whose products.
struct Machine {
  std::string name;  ///< "avx2_3threads"
  Isa isa;
  int threads;
  Backend backend = Backend::cpu;
  Precision precision = Precision::fp32;
  VendorLibraries* vendor = nullptr;        ///< of all machines with the same name the same
  std::optional<KernelLimits> limits = {};  ///< simt's, which else are an H100's

  friend std::ostream& operator<<(std::ostream& out, const Machine& machine) { return out << machine.name; }
};

/// Every ISA of this machine, with 1 and with 3 threads.
inline std::vector<Machine> machines() {
  std::vector<Machine> all;
  for (Isa isa : available_isas()) {
    for (int threads : {1, 3}) {
      const std::string name = std::string(isa_name(isa)) + "_" + std::to_string(threads) + "thread";
      all.push_back({threads == 1 ? name : name + "s", isa, threads});
    }
  }
  return all;
}

/// What CUDA kernels run on here: simt, with 1 and with 3 threads, and a GPU where there is one.
inline std::vector<Machine> gpu_machines() {
  std::vector<Machine> all;
#if defined(BAUTA_HAS_SIMT)
  all.push_back({"simt_1thread", Isa::portable, 1, Backend::simt});
  all.push_back({"simt_3threads", Isa::portable, 3, Backend::simt});
#endif
  if (Gpu::open().ok()) all.push_back({"cuda", Isa::portable, 1, Backend::cuda});
  return all;
}

/// What computes in bf16: simt, and a GPU where there is one whose tensor cores can.
inline std::vector<Machine> bf16_machines() {
  std::vector<Machine> all;
#if defined(BAUTA_HAS_SIMT)
  all.push_back({"simt_bf16", Isa::portable, 3, Backend::simt, Precision::bf16});
#endif
  if (const auto gpu = Gpu::open(); gpu.ok() && check_precision(gpu->info(), Precision::bf16).ok()) {
    all.push_back({"cuda_bf16", Isa::portable, 1, Backend::cuda, Precision::bf16});
  }
  return all;
}

/// The same, and simt with the shared memory of a GPU that convolutions by patches tell from an H100.
inline std::vector<Machine> bf16_patch_machines() {
  std::vector<Machine> all = bf16_machines();
#if defined(BAUTA_HAS_SIMT)
  all.push_back({"simt_bf16_99KiB", Isa::portable, 3, Backend::simt, Precision::bf16, nullptr,
                 KernelLimits{99 * 1024, 120}});
#endif
  return all;
}

/// Whether a convolution may be computed in another way on this machine than on those of other limits.
inline bool limits_matter(const Machine& machine, int kernel, int stride) {
  return !machine.limits || (kernel == 3 && stride == 1);  // by patches
}

/// A GPU with the vendor's products, where both can be had; and simt with the reference's in their place, so
/// that what is around them is tested in any case.
inline std::vector<Machine> vendor_machines(Precision precision = Precision::fp32) {
  const std::string name = precision == Precision::bf16 ? "_vendor_bf16" : "_vendor";
  std::vector<Machine> all;
#if defined(BAUTA_HAS_SIMT)
  static ReferenceVendor reference;
  all.push_back({"simt" + name, Isa::portable, 3, Backend::simt, precision, &reference});
#endif
  const auto gpu = Gpu::open();
  if (!gpu.ok() || !check_precision(gpu->info(), precision).ok()) return all;
  static const auto vendor = Vendor::open(context_on(Backend::cuda));
  if (vendor.ok())
    all.push_back({"cuda" + name, Isa::portable, 1, Backend::cuda, precision, &vendor->libraries()});
  return all;
}

inline Machine with_threads(Machine machine, int threads) {
  machine.threads = threads;
  return machine;
}

/// Those whose memory is the host's: CPUs and simt.
inline std::vector<Machine> machines_on_the_host() {
  std::vector<Machine> all = machines();
  for (const Machine& machine : gpu_machines()) {
    if (machine.backend == Backend::simt) all.push_back(machine);
  }
  return all;
}

/// Those that compute in fp32 by our kernels.
inline std::vector<Machine> all_machines() {
  std::vector<Machine> all = machines();
  for (const Machine& machine : gpu_machines()) all.push_back(machine);
  return all;
}

/// Has simt offer kernels what another GPU does, while it lives.
class OtherLimits {
 public:
  explicit OtherLimits(const KernelLimits& limits)
      : before_(std::exchange(simt::runtime::kernel_limits, limits)) {}
  OtherLimits(const OtherLimits&) = delete;
  OtherLimits& operator=(const OtherLimits&) = delete;
  ~OtherLimits() { simt::runtime::kernel_limits = before_; }

 private:
  KernelLimits before_;
};

/// Bytes of workspace with which every pass runs; bytes_of(pass): what one needs.
template <class BytesOf>
std::size_t largest_workspace(const BytesOf& bytes_of) {
  return std::max({bytes_of(Pass::forward), bytes_of(Pass::dgrad), bytes_of(Pass::wgrad)});
}

/// A Context with the pool, workspace and GPU that it refers to.
class Runner {
 public:
  explicit Runner(const Machine& machine, std::size_t workspace_bytes = 0) : pool_(machine.threads) {
    context_.backend = machine.backend;
    context_.isa = machine.isa;
    context_.precision = machine.precision;
    context_.pool = &pool_;
    context_.vendor = machine.vendor;
    if (machine.backend == Backend::cuda) {
      gpu_ = std::move(*Gpu::open());
      context_.stream = gpu_->stream();
    }
    if (machine.limits) limits_.emplace(*machine.limits);
    give_workspace(workspace_bytes);
  }
  /// With as much workspace as every pass of an op needs: `workspace` is the op's function that says so.
  template <class Shape>
  Runner(const Machine& machine, const Shape& s, std::size_t (*workspace)(const Context&, const Shape&, Pass))
      : Runner(machine) {
    give_workspace(largest_workspace([&](Pass pass) { return workspace(context_, s, pass); }));
  }
  const Context& context() const { return context_; }

 private:
  void give_workspace(std::size_t bytes) {
    workspace_ = Buffer<std::byte>(bytes);
    context_.workspace = workspace_.span();
    // What a kernel finds in its workspace is whatever the op before it left there.
    if (bytes > 0) std::memset(workspace_.data(), 0xFF, bytes);
  }

  ThreadPool pool_;
  Buffer<std::byte> workspace_;
  std::optional<Gpu> gpu_;
  std::optional<OtherLimits> limits_;
  Context context_;
};

/// Holds an op to it that a workspace for a batch is enough for a smaller one: bytes_of(context, batch,
/// pass).
template <class BytesOf>
void expect_workspaces_to_grow_with_the_batch(const Machine& machine, const BytesOf& bytes_of) {
  const Runner runner(machine);
  for (const Pass pass : {Pass::forward, Pass::dgrad, Pass::wgrad}) {
    for (int batch = 1; batch < 100; ++batch)
      ASSERT_LE(bytes_of(runner.context(), batch, pass), bytes_of(runner.context(), batch + 1, pass))
          << "batch " << batch << ", pass " << static_cast<int>(pass);
  }
}

/// The context with the last `bytes` of its workspace, and up to 63 more: what a pass does behind those that
/// it asks for, it does behind the memory's end.
inline Context with_workspace(Context context, std::size_t bytes) {
  if (bytes <= context.workspace.size())
    context.workspace = context.workspace.subspan((context.workspace.size() - bytes) / 64 * 64);
  return context;
}

inline Context reference_context() { return context_on(Backend::reference); }

/// An output array between two fences, all of it poisoned: check() fails if anything outside of the array was
/// written, or a float in it was not; of other types the poison is a value like any.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t size) : size_(size), memory_(size + 2 * kFence) {
    std::memset(memory_.data(), 0xFF, memory_.size() * sizeof(T));  // for floats, a NaN
  }
  T* data() { return memory_.data() + kFence; }
  const T* data() const { return memory_.data() + kFence; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

  void check() const {
    std::vector<unsigned char> poison(kFence * sizeof(T), 0xFF);
    EXPECT_EQ(std::memcmp(memory_.data(), poison.data(), poison.size()), 0) << "written before the array";
    EXPECT_EQ(std::memcmp(data() + size_, poison.data(), poison.size()), 0) << "written behind the array";
    if constexpr (std::is_same_v<T, float>) {
      for (std::size_t i = 0; i < size_; ++i)
        ASSERT_NE(std::bit_cast<std::uint32_t>(data()[i]), 0xFFFFFFFF) << "not written at " << i;
    }
  }

 private:
  static constexpr std::size_t kFence = 64;
  std::size_t size_;
  Buffer<T> memory_;
};

/// Elements of an array of these sizes.
inline std::size_t product(std::initializer_list<int> sizes) {
  std::size_t all = 1;
  for (const int size : sizes) all *= static_cast<std::size_t>(size);
  return all;
}

/// These floats, in memory that kernels read.
inline Buffer<float> buffer_of(std::span<const float> values) {
  Buffer<float> buffer(values.size());
  std::memcpy(buffer.data(), values.data(), values.size_bytes());
  return buffer;
}

/// Uniform in [-1, 1).
inline Buffer<float> random_floats(std::size_t size, std::uint64_t seed) {
  Buffer<float> values(size);
  Rng rng(seed, RngStream::init);
  for (float& value : values.span()) value = rng.uniform(-1.0F, 1.0F);
  return values;
}

/// Of products whose factors are bf16, against those of the rounded factors: products are exact and sums are
/// fp32, but a tensor core cuts off what a sum has no bits for where fma rounds it.
inline constexpr double kTensorCoreTolerance = 1e-5;

/// Of a convolution in bf16: a vendor's rounds its outputs, too, by 2^-8 of themselves at most; y before its
/// bias is added, when it may be larger.
inline double bf16_convolution_tolerance(const Machine& machine) {
  return machine.vendor == nullptr ? kTensorCoreTolerance : 0x1p-7;
}

/// Each rounded to bf16; none is a NaN.
inline Buffer<float> rounded_to_bf16(const Buffer<float>& values) {
  Buffer<float> rounded(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) rounded[i] = float_of_bf16(bf16_bits(values[i]));
  return rounded;
}

/// The problem with its factors rounded to bf16.
template <class Problem>
Problem with_rounded_factors(const Problem& p) {
  Problem rounded(p.s);
  rounded.x = rounded_to_bf16(p.x);
  rounded.w = rounded_to_bf16(p.w);
  rounded.dy = rounded_to_bf16(p.dy);
  return rounded;
}

/// Every |actual - expected| is at most `tolerance` times the largest |expected|; NaN equals NaN alone.
inline void expect_close(const Guarded<float>& actual, const Guarded<float>& expected, double tolerance) {
  actual.check();
  expected.check();
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) largest = std::fmax(largest, std::fabs(expected[i]));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const bool close = std::fabs(double{actual[i]} - expected[i]) <= tolerance * largest;
    const bool both_nan = std::isnan(actual[i]) && std::isnan(expected[i]);
    ASSERT_TRUE(close || both_nan) << "at " << i << ": " << actual[i] << ", expected " << expected[i]
                                   << ", largest " << largest;
  }
}

template <class T>
void expect_same_bits(const Guarded<T>& actual, const Guarded<T>& expected) {
  actual.check();
  expected.check();
  ASSERT_EQ(actual.size(), expected.size());
  const auto bytes = [](const T& value) { return std::as_bytes(std::span(&value, 1)); };
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::ranges::equal(bytes(actual[i]), bytes(expected[i])))
        << "at " << i << ": " << +actual[i] << ", expected " << +expected[i];
  }
}

/// The same bits on a CPU, where there is one order of summing; a GPU's may be another.
inline void expect_same_sum(const Machine& machine, const Guarded<float>& a, const Guarded<float>& b,
                            double tolerance) {
  machine.backend == Backend::cpu ? expect_same_bits(a, b) : expect_close(a, b, tolerance);
}

/// Holds the sum of two halves' dw and dbias against the whole's, as ranks hold subtrees:
/// gradients_of(shards) computes them for the shards' part of the batch.
template <class GradientsOf>
void expect_halves_to_add_up(const Machine& machine, int batch, const GradientsOf& gradients_of,
                             double tolerance = 4e-6) {
  const auto whole = gradients_of(Shards{batch});
  auto sum = gradients_of(Shards{batch, 0, 4});
  const auto second = gradients_of(Shards{batch, 4, 4});
  for (std::size_t i = 0; i < sum.dw.size(); ++i) sum.dw[i] += second.dw[i];
  for (std::size_t i = 0; i < sum.dbias.size(); ++i) sum.dbias[i] += second.dbias[i];
  expect_same_sum(machine, sum.dw, whole.dw, tolerance);
  expect_same_sum(machine, sum.dbias, whole.dbias, tolerance);
}

/// Holds a gradient against finite differences: for some indices i of `x`, d(Σ_j dy[j]·y[j])/dx[i] by a
/// central difference of `forward` (x -> y) equals gradient[i] within `tolerance` times the largest gradient.
inline void expect_gradient(const std::function<void(const float* x, float* y)>& forward, Buffer<float>& x,
                            const Buffer<float>& dy, const Guarded<float>& gradient, double tolerance,
                            float epsilon = 1.0F / 64) {
  double largest = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) largest = std::fmax(largest, std::fabs(gradient[i]));
  Buffer<float> y(dy.size());
  const auto loss = [&] {
    forward(x.data(), y.data());
    double sum = 0;
    for (std::size_t j = 0; j < dy.size(); ++j) sum += double{dy[j]} * y[j];
    return sum;
  };
  const std::size_t stride = x.size() / 12 + 1;  // a dozen indices tell
  for (std::size_t i = 0; i < x.size(); i += stride) {
    const float kept = x[i];
    x[i] = kept + epsilon;
    const double high = loss();
    x[i] = kept - epsilon;
    const double low = loss();
    x[i] = kept;
    EXPECT_NEAR((high - low) / (2 * double{epsilon}), gradient[i], tolerance * largest) << "at " << i;
  }
}

/// Holds all three gradients of an op against finite differences: `forward` is (x, w, bias -> y), the problem
/// has x, w, bias and dy, and the outputs dx, dw and dbias.
template <class Problem, class Outputs>
void expect_gradients(
    const std::function<void(const float* x, const float* w, const float* bias, float* y)>& forward,
    Problem& p, const Outputs& out, double tolerance, float epsilon = 1.0F / 64) {
  const auto of_x = [&](const float* x, float* y) { forward(x, p.w.data(), p.bias.data(), y); };
  const auto of_w = [&](const float* w, float* y) { forward(p.x.data(), w, p.bias.data(), y); };
  const auto of_bias = [&](const float* bias, float* y) { forward(p.x.data(), p.w.data(), bias, y); };
  expect_gradient(of_x, p.x, p.dy, out.dx, tolerance, epsilon);
  expect_gradient(of_w, p.w, p.dy, out.dw, tolerance, epsilon);
  expect_gradient(of_bias, p.bias, p.dy, out.dbias, tolerance, epsilon);
}

/// Names parameterised tests after the machine.
inline std::string machine_name(const ::testing::TestParamInfo<Machine>& info) { return info.param.name; }

}  // namespace bauta::testing
