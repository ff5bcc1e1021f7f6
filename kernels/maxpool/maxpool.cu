#include <algorithm>

#include "kernels/cuda/vectors.h"
#include "kernels/maxpool/maxpool_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

constexpr int kThreads = 128;

// A thread takes kChannels neighbouring channels: 4 with one access where the channels are a multiple of 4,
// else 1.

template <int kChannels>
__device__ __forceinline__ void load_places(int (&to)[kChannels], Ptr<const std::uint8_t> from) {
  if constexpr (kChannels == 4) {
    const unsigned bytes = load<unsigned>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = static_cast<int>(bytes >> 8 * i & 255);
  } else {
    const std::uint8_t byte = from[0];
    to[0] = byte;
  }
}

template <int kChannels>
__device__ __forceinline__ void store_places(Ptr<std::uint8_t> to, const int (&from)[kChannels]) {
  if constexpr (kChannels == 4) {
    unsigned bytes = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) bytes |= static_cast<unsigned>(from[i]) << 8 * i;
    store(to, bytes);
  } else {
    to[0] = static_cast<std::uint8_t>(from[0]);
  }
}

/// One block computes a row of outputs, of which a thread takes kChannels neighbours in turn. Reads x once
/// where windows do not overlap, else the rest from the caches; writes y and argmax once: bound by memory.
/// All in whole sectors where channels are a multiple of 32 (for argmax; for x and y of 8).
template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    pool(MaxPoolShape s, Global<const float> x, Global<float> y, Global<std::uint8_t> argmax) {
  const Index row = blockIdx.x;
  const Index first_in = row / s.out_h * s.in_h + row % s.out_h * s.stride;
  const int groups = s.channels / kChannels;
  for (int item = static_cast<int>(threadIdx.x); item < s.out_w * groups; item += kThreads) {
    const int q = item / groups;
    const int c = item % groups * kChannels;
    float best[kChannels];
    int place[kChannels];
#pragma unroll
    for (int i = 0; i < kChannels; ++i) {
      best[i] = -INFINITY;
      place[i] = 0;
    }
    for (int k = 0; k < s.window * s.window; ++k) {
      const Index from = (first_in + k / s.window) * s.in_w + q * s.stride + k % s.window;
      float value[kChannels];
      load_vector(value, &x[from * s.channels + c]);
#pragma unroll
      for (int i = 0; i < kChannels; ++i) {
        const bool wins = value[i] > best[i] || value[i] != value[i];  // the last of several NaNs
        best[i] = wins ? value[i] : best[i];
        place[i] = wins ? k : place[i];
      }
    }
    const Index to = (row * s.out_w + q) * s.channels + c;
    store_vector(&y[to], best);
    if (argmax) store_places(&argmax[to], place);
  }
}

/// One block computes a row of dx, of which a thread takes kChannels neighbours in turn and adds up what the
/// windows over it pass, in their order: the same bits on every run. Writes dx once; reads dy and argmax once
/// per element of a window, all but the first time from the caches: bound by memory.
template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    unpool(MaxPoolShape s, Global<const float> dy, Global<const std::uint8_t> argmax, Global<float> dx) {
  const Index row = blockIdx.x;
  const Index first_out = row / s.in_h * s.out_h;
  const int i = static_cast<int>(row % s.in_h);
  const int groups = s.channels / kChannels;
  const auto first_window = [&](int at) { return at < s.window ? 0 : (at - s.window) / s.stride + 1; };
  for (int item = static_cast<int>(threadIdx.x); item < s.in_w * groups; item += kThreads) {
    const int j = item / groups;
    const int c = item % groups * kChannels;
    float sum[kChannels] = {};
    for (int p = first_window(i); p < s.out_h && p * s.stride <= i; ++p) {
      for (int q = first_window(j); q < s.out_w && q * s.stride <= j; ++q) {
        const Index from = ((first_out + p) * s.out_w + q) * s.channels + c;
        const int here = (i - p * s.stride) * s.window + j - q * s.stride;
        float g[kChannels];
        int place[kChannels];
        load_vector(g, &dy[from]);
        load_places(place, &argmax[from]);
#pragma unroll
        for (int k = 0; k < kChannels; ++k) sum[k] += place[k] == here ? g[k] : 0;
      }
    }
    store_vector(&dx[(row * s.in_w + j) * s.channels + c], sum);
  }
}

Index in_size(const MaxPoolShape& s) { return Index{s.batch} * s.in_h * s.in_w * s.channels; }
Index out_size(const MaxPoolShape& s) { return Index{s.batch} * s.out_h * s.out_w * s.channels; }

// Elements of all windows, those that are in several counted as often.
double window_elements(const MaxPoolShape& s) {
  return static_cast<double>(out_size(s)) * s.window * s.window;
}

Status forward(const Context& context, const MaxPoolShape& s, const float* x, float* y,
               std::uint8_t* argmax) {
  const double written = static_cast<double>(out_size(s)) * (argmax != nullptr ? 5 : 4);
  const double read_once = 4 * std::min(window_elements(s), static_cast<double>(in_size(s)));
  const Work work = {4 * window_elements(s) + written, read_once + written};
  const Launch shape = {"maxpool_forward", static_cast<unsigned>(s.batch * s.out_h), kThreads, 0, work};
  return launch(context, shape, s.channels % 4 == 0 ? pool<4> : pool<1>, s, global(x, in_size(s)),
                global(y, out_size(s)), global(argmax, out_size(s)));
}

Status dgrad(const Context& context, const MaxPoolShape& s, const float* dy, const std::uint8_t* argmax,
             float* dx) {
  // Columns of a warp that are in the same windows share what they read, where all columns are in as many.
  // Else lanes fall out of step, and the few that share count as if they did not: of windows of 3 with
  // stride 2 and 32 channels that is a twentieth too much.
  const int columns_of_warp = 32 / (s.channels % 4 == 0 ? s.channels / 4 : s.channels);
  const bool in_step = s.window % s.stride == 0 || s.window < s.stride;
  const int sharing = in_step ? std::clamp(columns_of_warp, 1, std::min(s.window, s.stride)) : 1;
  const double read = 5 * window_elements(s) / sharing;
  const double written = 4 * static_cast<double>(in_size(s));
  const Work work = {read + written, 5 * static_cast<double>(out_size(s)) + written};
  const Launch shape = {"maxpool_dgrad", static_cast<unsigned>(s.batch * s.in_h), kThreads, 0, work};
  return launch(context, shape, s.channels % 4 == 0 ? unpool<4> : unpool<1>, s, global(dy, out_size(s)),
                global(argmax, out_size(s)), global(dx, in_size(s)));
}

}  // namespace

const MaxPoolBackend maxpool_backend = {forward, dgrad};

}  // namespace bauta::BAUTA_DEVICE
