#pragma once

#include <gtest/gtest.h>

#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"
#include "kernels/vendor/vendor.h"

namespace bauta::testing {

/// A context that has a backend and nothing else.
inline Context context_on(Backend backend) {
  Context context;
  context.backend = backend;
  return context;
}

/// The products of kernels/vendor/vendor.h by the reference's loops, in the host's memory: with them, what
/// the ops do around a vendor's products runs under simt. It fails where a convolution is not as the contract
/// has it.
class ReferenceVendor final : public VendorLibraries {
 public:
  std::string description() const override { return "reference"; }

  Status conv2d_forward(const Context&, const Conv2dShape& s, const float* x, const float* w,
                        float* y) override {
    expect_usual_size(s);
    return bauta::conv2d_forward(reference_, s, x, from_vendor(s, w).data(), bias(s.out_channels).data(), y);
  }
  Status conv2d_dgrad(const Context&, const Conv2dShape& s, const float* dy, const float* w,
                      float* dx) override {
    expect_usual_size(s);
    return bauta::conv2d_dgrad(reference_, s, dy, from_vendor(s, w).data(), dx);
  }
  Status conv2d_wgrad(const Context&, const Conv2dShape& s, const float* x, const float* dy,
                      float* dw) override {
    expect_usual_size(s);
    std::vector<float> ours(weights(s));
    BAUTA_TRY(
        bauta::conv2d_wgrad(reference_, s, Shards{s.batch}, x, dy, ours.data(), bias(s.out_channels).data()));
    for_each_weight(s, [&](std::size_t i, std::size_t vendors) { dw[vendors] = ours[i]; });
    return {};
  }

  Status linear_forward(const Context&, const LinearShape& s, const float* x, const float* w,
                        const float* bias, float* y) override {
    return bauta::linear_forward(reference_, s, x, w, bias, y);
  }
  Status linear_dgrad(const Context&, const LinearShape& s, const float* dy, const float* w,
                      float* dx) override {
    return bauta::linear_dgrad(reference_, s, dy, w, dx);
  }
  Status linear_wgrad(const Context&, const LinearShape& s, const float* x, const float* dy,
                      float* dw) override {
    return bauta::linear_wgrad(reference_, s, Shards{s.batch}, x, dy, dw, bias(s.out_features).data());
  }

 private:
  static std::vector<float> bias(int size) { return std::vector<float>(static_cast<std::size_t>(size)); }

  static void expect_usual_size(const Conv2dShape& s) {
    EXPECT_EQ(s.out_h, (s.in_h + 2 * s.pad - s.kernel) / s.stride + 1);
    EXPECT_EQ(s.out_w, (s.in_w + 2 * s.pad - s.kernel) / s.stride + 1);
  }

  static std::size_t weights(const Conv2dShape& s) {
    return static_cast<std::size_t>(Index{s.kernel} * s.kernel * s.in_channels * s.out_channels);
  }

  /// Calls visit(place in [K,K,C,O], place in [O,K,K,C]).
  template <class Visit>
  static void for_each_weight(const Conv2dShape& s, const Visit& visit) {
    const auto channels = static_cast<std::size_t>(s.out_channels);
    for (std::size_t i = 0; i < weights(s); ++i) {
      visit(i, i % channels * (weights(s) / channels) + i / channels);
    }
  }

  static std::vector<float> from_vendor(const Conv2dShape& s, const float* w) {
    std::vector<float> ours(weights(s));
    for_each_weight(s, [&](std::size_t i, std::size_t vendors) { ours[i] = w[vendors]; });
    return ours;
  }

  const Context reference_ = context_on(Backend::reference);
};

}  // namespace bauta::testing
