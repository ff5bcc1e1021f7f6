#pragma once

#include <cstring>

#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/simd.h"

/// What the CPU kernels of this op share: sizes, offsets into the workspace and the copies that make a padded
/// strip of x.
namespace bauta::BAUTA_ISA::conv_relu_pool {

/// The lanes of vector v of `channels` that hold a channel.
inline int lanes_of(int channels, int v) { return smaller(kWidth, channels - v * kWidth); }

/// Rows of padded x that `pooled` pooled rows read; the same holds for columns.
inline int rows_read(const ConvReluPoolShape& s, int pooled) {
  return (2 * pooled - 1) * s.stride + s.kernel;
}

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

inline std::size_t float_bytes(Index floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

/// Copies `rows` padded rows of one sample of x, row 0 being the first of the padding, to strip [rows,
/// columns, C].
inline void copy_strip(const ConvReluPoolShape& s, int columns, const float* x, Index first, int rows,
                       float* strip) {
  const Inside in = inside(s, columns);
  const Index channels = s.in_channels;
  for (Index row = first - s.pad; row < first - s.pad + rows; ++row, strip += columns * channels) {
    if (row < 0 || row >= s.in_h) {
      std::memset(strip, 0, float_bytes(columns * channels));
      continue;
    }
    std::memset(strip, 0, float_bytes(in.begin * channels));
    std::memcpy(strip + in.begin * channels, x + row * s.in_w * channels,
                float_bytes((in.end - in.begin) * channels));
    std::memset(strip + in.end * channels, 0, float_bytes((columns - in.end) * channels));
  }
}

}  // namespace bauta::BAUTA_ISA::conv_relu_pool
