#include <cmath>

#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"

namespace bauta::reference {
namespace {

// The convolution at row i and column j.
double convolve(const ConvReluPoolShape& s, const float* x, const float* w, const float* bias, Index n,
                Index i, Index j, Index o) {
  double sum = bias[o];
  for (Index r = 0; r < s.kernel; ++r) {
    for (Index k = 0; k < s.kernel; ++k) {
      const Index row = i * s.stride - s.pad + r;
      const Index column = j * s.stride - s.pad + k;
      if (row < 0 || row >= s.in_h || column < 0 || column >= s.in_w) continue;
      const float* xs = x + ((n * s.in_h + row) * s.in_w + column) * s.in_channels;
      const float* ws = w + (r * s.kernel + k) * s.in_channels * s.out_channels + o;
      for (Index c = 0; c < s.in_channels; ++c) sum += double{xs[c]} * ws[c * s.out_channels];
    }
  }
  return sum;
}

Index pooled_index(const ConvReluPoolShape& s, Index n, Index p, Index q) {
  return (n * s.out_h + p) * s.out_w + q;
}

// The position in its window, 2·row + column, of the winner of channel o at a pooled position.
int winner(const ConvReluPoolShape& s, const std::uint8_t* argmax, Index position, Index o) {
  return (argmax[position * s.argmax_stride() + o / 4] >> (2 * (o % 4))) & 3;
}

// The gradient that reaches the convolution's row i and column j.
double gradient(const ConvReluPoolShape& s, const float* dy, const float* y, const std::uint8_t* argmax,
                Index n, Index i, Index j, Index o) {
  const Index position = pooled_index(s, n, i / 2, j / 2);
  const bool won = winner(s, argmax, position, o) == 2 * (i % 2) + j % 2;
  return won && y[position * s.out_channels + o] > 0 ? dy[position * s.out_channels + o] : 0;
}

Status forward(const Context&, const ConvReluPoolShape& s, const float* x, const float* w, const float* bias,
               float* y, std::uint8_t* argmax) {
  for (Index n = 0; n < s.batch; ++n) {
    for (Index p = 0; p < s.out_h; ++p) {
      for (Index q = 0; q < s.out_w; ++q) {
        const Index position = pooled_index(s, n, p, q);
        std::uint8_t* bits = argmax == nullptr ? nullptr : argmax + position * s.argmax_stride();
        for (int b = 0; bits != nullptr && b < s.argmax_stride(); ++b) bits[b] = 0;
        for (Index o = 0; o < s.out_channels; ++o) {
          double best = convolve(s, x, w, bias, n, 2 * p, 2 * q, o);
          unsigned best_at = 0;
          for (unsigned k = 1; k < 4; ++k) {
            const double z = convolve(s, x, w, bias, n, 2 * p + k / 2, 2 * q + k % 2, o);
            if (z <= best || std::isnan(best)) continue;
            best = z;
            best_at = k;
          }
          y[position * s.out_channels + o] = best <= 0 ? 0 : static_cast<float>(best);
          if (bits != nullptr)
            bits[o / 4] = static_cast<std::uint8_t>(bits[o / 4] | best_at << (2 * (o % 4)));
        }
      }
    }
  }
  return {};
}

// What x at one row, column and channel receives: from every kernel position, the convolution's output that
// read x there.
double dgrad_at(const ConvReluPoolShape& s, const float* dy, const float* y, const std::uint8_t* argmax,
                const float* w, Index n, Index row, Index column, Index c) {
  double sum = 0;
  for (Index r = 0; r < s.kernel; ++r) {
    for (Index k = 0; k < s.kernel; ++k) {
      const Index i = row + s.pad - r;
      const Index j = column + s.pad - k;
      if (i < 0 || i % s.stride != 0 || i / s.stride >= 2 * Index{s.out_h}) continue;
      if (j < 0 || j % s.stride != 0 || j / s.stride >= 2 * Index{s.out_w}) continue;
      const float* ws = w + ((r * s.kernel + k) * s.in_channels + c) * s.out_channels;
      for (Index o = 0; o < s.out_channels; ++o) {
        const double g = gradient(s, dy, y, argmax, n, i / s.stride, j / s.stride, o);
        if (g != 0) sum += g * ws[o];
      }
    }
  }
  return sum;
}

Status dgrad(const Context&, const ConvReluPoolShape& s, const float* dy, const float* y,
             const std::uint8_t* argmax, const float* w, float* dx) {
  for (Index n = 0; n < s.batch; ++n) {
    for (Index row = 0; row < s.in_h; ++row) {
      for (Index column = 0; column < s.in_w; ++column) {
        for (Index c = 0; c < s.in_channels; ++c) {
          *dx++ = static_cast<float>(dgrad_at(s, dy, y, argmax, w, n, row, column, c));
        }
      }
    }
  }
  return {};
}

double wgrad_at(const ConvReluPoolShape& s, const float* x, const float* dy, const float* y,
                const std::uint8_t* argmax, Index r, Index k, Index c, Index o) {
  double sum = 0;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index i = 0; i < 2 * Index{s.out_h}; ++i) {
      for (Index j = 0; j < 2 * Index{s.out_w}; ++j) {
        const double g = gradient(s, dy, y, argmax, n, i, j, o);
        const Index row = i * s.stride - s.pad + r;
        const Index column = j * s.stride - s.pad + k;
        if (g == 0 || row < 0 || row >= s.in_h || column < 0 || column >= s.in_w) continue;
        sum += g * x[((n * s.in_h + row) * s.in_w + column) * s.in_channels + c];
      }
    }
  }
  return sum;
}

// Double precision has no need of the shards' order.
Status wgrad(const Context&, const ConvReluPoolShape& s, const Shards&, const float* x, const float* dy,
             const float* y, const std::uint8_t* argmax, float* dw, float* dbias) {
  for (Index r = 0; r < s.kernel; ++r) {
    for (Index k = 0; k < s.kernel; ++k) {
      for (Index c = 0; c < s.in_channels; ++c) {
        for (Index o = 0; o < s.out_channels; ++o) {
          *dw++ = static_cast<float>(wgrad_at(s, x, dy, y, argmax, r, k, c, o));
        }
      }
    }
  }
  for (Index o = 0; o < s.out_channels; ++o) {
    double sum = 0;
    for (Index n = 0; n < s.batch; ++n) {
      for (Index i = 0; i < 2 * Index{s.out_h}; ++i) {
        for (Index j = 0; j < 2 * Index{s.out_w}; ++j) sum += gradient(s, dy, y, argmax, n, i, j, o);
      }
    }
    dbias[o] = static_cast<float>(sum);
  }
  return {};
}

std::size_t workspace(const Context&, const ConvReluPoolShape&, Pass) { return 0; }

}  // namespace

const ConvReluPoolBackend conv_relu_pool_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::reference
