#pragma once

#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/simd.h"

/// What the CPU kernels of this op share: sizes, offsets into the workspace and the copies that make a padded
/// strip of x.
namespace bauta::BAUTA_ISA::conv_relu_pool {

inline int smaller(int a, int b) { return a < b ? a : b; }
inline int larger(int a, int b) { return a > b ? a : b; }
inline int divide_up(int a, int b) { return (a + b - 1) / b; }

/// The lanes of vector v of `channels` that hold a channel.
inline int lanes_of(int channels, int v) { return smaller(kWidth, channels - v * kWidth); }

inline void store_lanes(float* p, Vec value, int lanes) {
  lanes == kWidth ? store(p, value) : store_partial(p, value, lanes);
}

/// Rows of padded x that `pooled` pooled rows read; the same holds for columns.
inline int rows_read(const ConvReluPoolShape& s, int pooled) {
  return (2 * pooled - 1) * s.stride + s.kernel;
}

inline int argmax_bytes(const ConvReluPoolShape& s) { return (s.out_channels + 3) / 4; }

/// Hands out parts of the workspace as offsets in floats, each on its own cache lines.
class Plan {
 public:
  Index take(Index floats) {
    const Index at = size_;
    size_ += round_up(floats);
    return at;
  }
  Index size() const { return size_; }

  static Index round_up(Index floats) { return (floats + 15) / 16 * 16; }

 private:
  Index size_ = 0;
};

/// The columns [begin, end) of a padded row that hold columns of x, the first of them column `begin - pad`.
struct Inside {
  int begin, end;
};

inline Inside inside(const ConvReluPoolShape& s, int columns) {
  return {smaller(s.pad, columns), smaller(columns, s.in_w + s.pad)};
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
