#include "kernels/linear/linear_backends.h"

namespace bauta::reference {
namespace {

Status forward(const Context&, const LinearShape& s, const float* x, const float* w, const float* bias,
               float* y) {
  for (Index n = 0; n < s.batch; ++n) {
    for (Index o = 0; o < s.out_features; ++o) {
      double sum = bias[o];
      for (Index i = 0; i < s.in_features; ++i) {
        sum += double{x[n * s.in_features + i]} * w[o * s.in_features + i];
      }
      y[n * s.out_features + o] = s.relu_after && sum <= 0 ? 0 : static_cast<float>(sum);
    }
  }
  return {};
}

Status dgrad(const Context&, const LinearShape& s, const float* dy, const float* w, const float* x,
             float* dx) {
  for (Index n = 0; n < s.batch; ++n) {
    for (Index i = 0; i < s.in_features; ++i) {
      double sum = 0;
      for (Index o = 0; o < s.out_features; ++o) {
        sum += double{dy[n * s.out_features + o]} * w[o * s.in_features + i];
      }
      const bool passes = !s.relu_before || !(x[n * s.in_features + i] <= 0);
      dx[n * s.in_features + i] = passes ? static_cast<float>(sum) : 0;
    }
  }
  return {};
}

// Double precision has no need of the shards' order.
Status wgrad(const Context&, const LinearShape& s, const Shards&, const float* x, const float* dy, float* dw,
             float* dbias) {
  for (Index o = 0; o < s.out_features; ++o) {
    for (Index i = 0; i < s.in_features; ++i) {
      double sum = 0;
      for (Index n = 0; n < s.batch; ++n) {
        sum += double{dy[n * s.out_features + o]} * x[n * s.in_features + i];
      }
      dw[o * s.in_features + i] = static_cast<float>(sum);
    }
    double sum = 0;
    for (Index n = 0; n < s.batch; ++n) sum += dy[n * s.out_features + o];
    dbias[o] = static_cast<float>(sum);
  }
  return {};
}

std::size_t workspace(const Context&, const LinearShape&, Pass) { return 0; }

}  // namespace

const LinearBackend linear_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::reference
