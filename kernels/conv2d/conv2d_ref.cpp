#include <vector>

#include "kernels/conv2d/conv2d_backends.h"

namespace bauta::reference {
namespace {

// Calls body(x's offset, w's offset), both of channel 0, for every tap of output (n, p, q) inside the image.
template <class Body>
void for_taps(const Conv2dShape& s, Index n, Index p, Index q, Body body) {
  for (Index r = 0; r < s.kernel; ++r) {
    for (Index t = 0; t < s.kernel; ++t) {
      const Index i = p * s.stride - s.pad + r;
      const Index j = q * s.stride - s.pad + t;
      if (i < 0 || i >= s.in_h || j < 0 || j >= s.in_w) continue;
      body(((n * s.in_h + i) * s.in_w + j) * s.in_channels,
           (r * s.kernel + t) * s.in_channels * s.out_channels);
    }
  }
}

// Calls body(n, p, q, the position's offset in y) for every output position.
template <class Body>
void for_positions(const Conv2dShape& s, Body body) {
  Index out = 0;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index p = 0; p < s.out_h; ++p) {
      for (Index q = 0; q < s.out_w; ++q, out += s.out_channels) body(n, p, q, out);
    }
  }
}

Status forward(const Context&, const Conv2dShape& s, const float* x, const float* w, const float* bias,
               float* y) {
  for_positions(s, [&](Index n, Index p, Index q, Index out) {
    for (Index o = 0; o < s.out_channels; ++o) {
      double sum = bias[o];
      for_taps(s, n, p, q, [&](Index from, Index tap) {
        for (Index c = 0; c < s.in_channels; ++c)
          sum += double{x[from + c]} * w[tap + c * s.out_channels + o];
      });
      y[out + o] = static_cast<float>(sum);
    }
  });
  return {};
}

Status dgrad(const Context&, const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  std::vector<double> sums(static_cast<std::size_t>(Index{s.batch} * s.in_h * s.in_w * s.in_channels));
  for_positions(s, [&](Index n, Index p, Index q, Index out) {
    for_taps(s, n, p, q, [&](Index from, Index tap) {
      for (Index c = 0; c < s.in_channels; ++c) {
        double& sum = sums[static_cast<std::size_t>(from + c)];
        for (Index o = 0; o < s.out_channels; ++o)
          sum += double{dy[out + o]} * w[tap + c * s.out_channels + o];
      }
    });
  });
  for (const double sum : sums) *dx++ = static_cast<float>(sum);
  return {};
}

// Double precision has no need of the shards' order.
Status wgrad(const Context&, const Conv2dShape& s, const Shards&, const float* x, const float* dy, float* dw,
             float* dbias) {
  const Index size = Index{s.kernel} * s.kernel * s.in_channels * s.out_channels;
  std::vector<double> sums(static_cast<std::size_t>(size));
  std::vector<double> bias_sums(static_cast<std::size_t>(s.out_channels));
  for_positions(s, [&](Index n, Index p, Index q, Index out) {
    for (Index o = 0; o < s.out_channels; ++o) bias_sums[static_cast<std::size_t>(o)] += dy[out + o];
    for_taps(s, n, p, q, [&](Index from, Index tap) {
      for (Index c = 0; c < s.in_channels; ++c) {
        double* row = sums.data() + tap + c * s.out_channels;
        for (Index o = 0; o < s.out_channels; ++o) row[o] += double{x[from + c]} * dy[out + o];
      }
    });
  });
  for (const double sum : sums) *dw++ = static_cast<float>(sum);
  for (const double sum : bias_sums) *dbias++ = static_cast<float>(sum);
  return {};
}

std::size_t workspace(const Context&, const Conv2dShape&, Pass) { return 0; }

}  // namespace

const Conv2dBackend conv2d_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::reference
