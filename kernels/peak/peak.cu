#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/ptx.h"
#include "kernels/peak/gpu_peak.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 256;
constexpr int kChains = 8;  // independent sums of a thread or a warp

/// Eight chains of multiply-adds in a thread's registers: bound by their rate. Writes nothing that matters.
__global__ void __launch_bounds__(kThreads) peak_fma(int rounds, float seed, Global<float> out) {
  float chains[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) chains[i] = seed + static_cast<float>(i);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) chains[i] = fmaf(chains[i], seed, seed);
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kChains; ++i) sum += chains[i];
  if (sum == -1) out[0] = sum;  // never: it keeps the chains alive
}

/// Eight chains of 16x8x16 products in a warp's registers: bound by the tensor cores.
__global__ void __launch_bounds__(kThreads) peak_mma(int rounds, unsigned seed, Global<float> out) {
  const unsigned a[4] = {seed, seed, seed, seed};
  const unsigned b[2] = {seed, seed};
  float chains[kChains][4] = {};
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) mma_m16n8k16(chains[i], a, b);
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kChains; ++i) sum += chains[i][0] + chains[i][1] + chains[i][2] + chains[i][3];
  if (sum == -1) out[0] = sum;
}

/// A thread copies four floats. Reads and writes 4·size bytes each: bound by memory.
__global__ void __launch_bounds__(kThreads)
    peak_memory(Index size, Global<const float> from, Global<float> to) {
  const Index i = (Index{blockIdx.x} * kThreads + threadIdx.x) * 4;
  if (i < size) store(&to[i], load<float4>(&from[i]));
}

/// A block reads chunks of 4 KiB, each time another, so that they come from L2: bound by
/// it.
__global__ void __launch_bounds__(kThreads)
    peak_cache(int rounds, int chunks, Global<const float> from, Global<float> out) {
  float sum = 0;
#pragma unroll 4
  for (int round = 0; round < rounds; ++round) {
    const int chunk = (static_cast<int>(blockIdx.x) + round * 37) % chunks;
    const float4 v = load<float4>(&from[(Index{chunk} * kThreads + threadIdx.x) * 4]);
    sum += v.x + v.y + v.z + v.w;
  }
  if (sum == -1) out[0] = sum;
}

Status launch_all(const Context& context, float* memory, Index floats, bool tensor_cores, int blocks) {
  constexpr int kRounds = 256;
  constexpr int kMmaRounds = 64;
  constexpr int kCacheRounds = 64;
  const auto grid = static_cast<unsigned>(blocks);
  const auto out = global(memory, floats);
  const double threads = double{1} * blocks * kThreads;
  BAUTA_TRY(launch(context, {"peak_fma", grid, kThreads, 0, {0, 0, threads * kChains * kRounds}}, peak_fma,
                   kRounds, 0.5F, out));
  if (tensor_cores) {
    const double products = threads / 32 * kChains * kMmaRounds;
    BAUTA_TRY(launch(context, {"peak_mma", grid, kThreads, 0, {0, 0, products * 16 * 8 * 16}}, peak_mma,
                     kMmaRounds, 0x3F003F00U, out));
  }
  const Index half = floats / 2;
  const double moved = 8.0 * static_cast<double>(half);
  BAUTA_TRY(launch(context,
                   {"peak_memory",
                    static_cast<unsigned>(ceil_div<Index>(half / 4, kThreads)),
                    kThreads,
                    0,
                    {moved, moved}},
                   peak_memory, half, global(memory, half), global(memory + half, half)));
  const int chunks = static_cast<int>(std::min<Index>(floats / (4 * kThreads), 4096));
  const double read = threads * kCacheRounds * 16;
  return launch(context, {"peak_cache", grid, kThreads, 0, {read, 4096.0 * chunks}}, peak_cache, kCacheRounds,
                chunks, global(memory, floats), out);
}

}  // namespace

const GpuPeakBackend gpu_peak_backend = {launch_all};

}  // namespace bauta::BAUTA_DEVICE
