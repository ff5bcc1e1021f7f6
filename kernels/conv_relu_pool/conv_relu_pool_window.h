#pragma once

#include <cstdint>

#include "kernels/conv2d/conv2d_tiles.h"
#include "kernels/conv_relu_pool/conv_relu_pool.h"

namespace bauta::BAUTA_DEVICE {

/// The convolution alone, all of whose rows and columns are pooled.
inline Conv2dShape convolution(const ConvReluPoolShape& s) {
  return {s.batch,  s.in_h,   s.in_w, s.in_channels, s.out_channels,
          s.kernel, s.stride, s.pad,  2 * s.out_h,   2 * s.out_w};
}

/// The position in its window, 2·row + column, of the first among the largest; a NaN wins over everything.
__device__ __forceinline__ unsigned winner(const float (&window)[4], float& largest) {
  unsigned at = 0;
  largest = window[0];
#pragma unroll
  for (unsigned i = 1; i < 4; ++i) {
    if (!(window[i] <= largest) && largest == largest) {
      largest = window[i];
      at = i;
    }
  }
  return at;
}

/// Pools four channels of a window, values[corner][channel], corners as 2·row + column: what they are after
/// ReLU, and of the first `channels` the winners, two bits each, as argmax has them.
__device__ __forceinline__ unsigned pool_channels(const float (&values)[4][4], int channels,
                                                  float (&pooled)[4]) {
  unsigned winners = 0;
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    const float window[4] = {values[0][c], values[1][c], values[2][c], values[3][c]};
    const unsigned at = winner(window, pooled[c]);
    if (pooled[c] <= 0) pooled[c] = 0;
    if (c < channels) winners |= at << (2 * c);
  }
  return winners;
}

/// Pools the sums of a thread, each four rows of which are a window's, into y and argmax, which may be null;
/// window(row) is that of a row of the tile, negative where there is none.
template <int kOutVector, class Tile, class Window>
__device__ __forceinline__ void store_windows(const typename Tile::Thread& thread,
                                              const typename Tile::Sums& sums, int first_n, int out_channels,
                                              Ptr<float> y, Ptr<std::uint8_t> argmax, const Window& window) {
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; r += 4) {
    const int to = window(thread.row(r));
    if (to < 0) continue;
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      const int o = first_n + thread.column(f);
      const int channels = min(4, out_channels - o);
      if (channels <= 0) continue;
      float values[4][4], pooled[4];
#pragma unroll
      for (int corner = 0; corner < 4; ++corner) {
#pragma unroll
        for (int c = 0; c < 4; ++c) values[corner][c] = sums[r + corner][f][c];
      }
      const unsigned winners = pool_channels(values, channels, pooled);
      store_channels<kOutVector>(y + (Index{to} * out_channels + o), pooled, channels);
      if (argmax) argmax[Index{to} * ceil_div(out_channels, 4) + o / 4] = static_cast<std::uint8_t>(winners);
    }
  }
}

/// The gradients of a window's neighbouring channels, as they have been read.
template <int kVector>
struct WindowValues {
  float gradients[kVector] = {};
  float values[kVector] = {};
  unsigned winners = 0;

  /// The gradient at a corner, 2·row + column: that of the window's value, where it is larger than zero, at
  /// its winner, and zero elsewhere.
  __device__ __forceinline__ Values<kVector> at(int corner) const {
    Values<kVector> result;
    const unsigned others = winners ^ static_cast<unsigned>(corner) * 0x55U;
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const bool wins = (others & 3U << (2 * i)) == 0 && values[i] > 0;
      result.values[i] = wins ? gradients[i] : 0;
    }
    return result;
  }

  /// What passes ReLU of the gradients, wherever the winner is.
  __device__ __forceinline__ Values<kVector> passed() const {
    Values<kVector> result;
#pragma unroll
    for (int i = 0; i < kVector; ++i) result.values[i] = values[i] > 0 ? gradients[i] : 0;
    return result;
  }

  /// wgrad: all four corners, one row each.
  template <class Slice>
  __device__ __forceinline__ void put(Slice&& slice, int window, int column) const {
#pragma unroll
    for (int corner = 0; corner < 4; ++corner) at(corner).put(slice, 4 * window + corner, column);
  }
};

/// Of a window's four neighbouring channels, what passes ReLU of their gradients, in bf16.
class RoundedWindow {
 public:
  __device__ __forceinline__ explicit RoundedWindow(const WindowValues<4>& window)
      : gradients_(pack_four(window.passed().values)),
        not_left_(selector_digits(window.winners)),
        not_above_(selector_digits(window.winners >> 1)) {}

  /// All of them, wherever the winners are.
  __device__ __forceinline__ uint2 gradients() const { return gradients_; }

  /// Those whose winner is at a corner, 2·row + column, and zeros.
  __device__ __forceinline__ uint2 at(int corner) const {
    const unsigned elsewhere =
        (not_left_ ^ (corner % 2 == 0 ? 0 : kZeros)) | (not_above_ ^ (corner / 2 == 0 ? 0 : kZeros));
    const unsigned bytes = kAllBytes | elsewhere;
    return make_uint2(prmt(gradients_.x, 0, bytes), prmt(gradients_.y, 0, bytes >> 16));
  }

 private:
  // Selectors of prmt, two of four hexadecimal digits: what takes all bytes of a register as they are, and
  // what, or'ed to it, makes all of them zeros.
  static constexpr unsigned kAllBytes = 0x32103210;
  static constexpr unsigned kZeros = 0x44444444;

  // Spreads bits 0, 2, 4 and 6, of four channels, to the two selector digits of each channel's bytes.
  __device__ __forceinline__ static unsigned selector_digits(unsigned bits) {
    return ((bits & 0x55U) * 0x41041U & 0x01010101U) * 0x44U;
  }

  uint2 gradients_;
  unsigned not_left_, not_above_;
};

/// What the gradient of the convolution's output is made of: dy and y [N,P,Q,O], and argmax.
struct PooledValues {
  Ptr<const float> dy, y;
  Ptr<const std::uint8_t> argmax;
  int channels;       ///< O
  int height, width;  ///< P, Q

  __device__ __forceinline__ bool inside(int p, int q) const {
    return static_cast<unsigned>(p) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(q) < static_cast<unsigned>(width);
  }

  /// Those of a window, counted over all samples, from channel o on.
  template <int kVector>
  __device__ __forceinline__ WindowValues<kVector> read(int window, int o) const {
    WindowValues<kVector> result;
    const Index at = Index{window} * channels + o;
    load_vector(result.gradients, dy + at);
    load_vector(result.values, y + at);
    result.winners = argmax[Index{window} * ceil_div(channels, 4) + o / 4];
    if constexpr (kVector == 1) result.winners >>= 2 * (o % 4);
    return result;
  }

  /// Those of sample n's window at row p and column q; zeros outside of the pooled ones.
  template <int kVector>
  __device__ __forceinline__ WindowValues<kVector> read_at(int n, int p, int q, int o) const {
    return inside(p, q) ? read<kVector>((n * height + p) * width + q, o) : WindowValues<kVector>{};
  }
};

/// Elements of the op's arrays.
struct PooledSizes {
  Index x, w, y, argmax;

  explicit PooledSizes(const ConvReluPoolShape& s)
      : x(Index{s.batch} * s.in_h * s.in_w * s.in_channels),
        w(Index{s.kernel} * s.kernel * s.in_channels * s.out_channels),
        y(Index{s.batch} * s.out_h * s.out_w * s.out_channels),
        argmax(Index{s.batch} * s.out_h * s.out_w * s.argmax_stride()) {}

  double y_bytes() const { return 4.0 * static_cast<double>(y); }
  double argmax_bytes() const { return static_cast<double>(argmax); }
  /// Of dy, y and argmax: what the gradient of the convolution's output is made of.
  double gradient_bytes() const { return 2 * y_bytes() + argmax_bytes(); }
};

/// dz = the gradient of the convolution's output, [N,P,Q,O] of `z`, whose rows and columns may be more than
/// are pooled: zeros there.
Status launch_expand(const Context&, const ConvReluPoolShape&, const Conv2dShape& z, const float* dy,
                     const float* y, const std::uint8_t* argmax, float* dz);

}  // namespace bauta::BAUTA_DEVICE
