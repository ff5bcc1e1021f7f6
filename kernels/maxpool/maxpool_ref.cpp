#include <cmath>
#include <limits>

#include "kernels/maxpool/maxpool_backends.h"

namespace bauta::reference {
namespace {

Status forward(const Context&, const MaxPoolShape& s, const float* x, float* y, std::uint8_t* argmax) {
  Index out = 0;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index p = 0; p < s.out_h; ++p) {
      for (Index q = 0; q < s.out_w; ++q) {
        for (Index c = 0; c < s.channels; ++c, ++out) {
          float best = -std::numeric_limits<float>::infinity();
          int place = 0;
          for (int k = 0; k < s.window * s.window; ++k) {
            const Index i = p * s.stride + k / s.window;
            const Index j = q * s.stride + k % s.window;
            const float value = x[((n * s.in_h + i) * s.in_w + j) * s.channels + c];
            if (value > best || std::isnan(value)) {
              best = value;
              place = k;
            }
          }
          y[out] = best;
          if (argmax != nullptr) argmax[out] = static_cast<std::uint8_t>(place);
        }
      }
    }
  }
  return {};
}

Status dgrad(const Context&, const MaxPoolShape& s, const float* dy, const std::uint8_t* argmax, float* dx) {
  const Index size = Index{s.batch} * s.in_h * s.in_w * s.channels;
  for (Index i = 0; i < size; ++i) dx[i] = 0;
  Index out = 0;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index p = 0; p < s.out_h; ++p) {
      for (Index q = 0; q < s.out_w; ++q) {
        for (Index c = 0; c < s.channels; ++c, ++out) {
          const Index i = p * s.stride + argmax[out] / s.window;
          const Index j = q * s.stride + argmax[out] % s.window;
          dx[((n * s.in_h + i) * s.in_w + j) * s.channels + c] += dy[out];
        }
      }
    }
  }
  return {};
}

}  // namespace

const MaxPoolBackend maxpool_backend = {forward, dgrad};

}  // namespace bauta::reference
