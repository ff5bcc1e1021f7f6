#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

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

/// The bits of a float rounded to bf16, to nearest and ties to even; it is no NaN.
inline std::uint16_t bf16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float float_of_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// The products of kernels/vendor/vendor.h by the reference's loops, in the host's memory: with them, what
/// the ops do around a vendor's products runs under simt. It fails where a convolution is not as the contract
/// has it.
class ReferenceVendor final : public VendorLibraries {
 public:
  std::string description() const override { return "reference"; }

  Status conv2d_forward(const Context& context, const Conv2dShape& s, const void* x, const void* w,
                        void* y) override {
    expect_usual_size(s);
    std::vector<float> result(y_size(s));
    BAUTA_TRY(bauta::conv2d_forward(reference_, s, floats(context, x, x_size(s)).data(),
                                    ours(s, floats(context, w, w_size(s))).data(),
                                    zeros(s.out_channels).data(), result.data()));
    return give(context, result, y);
  }
  Status conv2d_dgrad(const Context& context, const Conv2dShape& s, const void* dy, const void* w,
                      void* dx) override {
    expect_usual_size(s);
    std::vector<float> result(x_size(s));
    BAUTA_TRY(bauta::conv2d_dgrad(reference_, s, floats(context, dy, y_size(s)).data(),
                                  ours(s, floats(context, w, w_size(s))).data(), result.data()));
    return give(context, result, dx);
  }
  Status conv2d_wgrad(const Context& context, const Conv2dShape& s, const void* x, const void* dy,
                      void* dw) override {
    expect_usual_size(s);
    std::vector<float> result(w_size(s));
    BAUTA_TRY(bauta::conv2d_wgrad(reference_, s, Shards{s.batch}, floats(context, x, x_size(s)).data(),
                                  floats(context, dy, y_size(s)).data(), result.data(),
                                  zeros(s.out_channels).data()));
    return give(context, vendors(s, result), dw);
  }

  Status linear_forward(const Context& context, const LinearShape& s, const void* x, const void* w,
                        const float* bias, float* y) override {
    return bauta::linear_forward(reference_, without_relus(s),
                                 floats(context, x, size(s.batch, s.in_features)).data(),
                                 floats(context, w, size(s.out_features, s.in_features)).data(), bias, y);
  }
  Status linear_dgrad(const Context& context, const LinearShape& s, const void* dy, const void* w,
                      float* dx) override {
    return bauta::linear_dgrad(reference_, without_relus(s),
                               floats(context, dy, size(s.batch, s.out_features)).data(),
                               floats(context, w, size(s.out_features, s.in_features)).data(), nullptr, dx);
  }
  Status linear_wgrad(const Context& context, const LinearShape& s, const void* x, const void* dy,
                      float* dw) override {
    return bauta::linear_wgrad(
        reference_, s, Shards{s.batch}, floats(context, x, size(s.batch, s.in_features)).data(),
        floats(context, dy, size(s.batch, s.out_features)).data(), dw, zeros(s.out_features).data());
  }

 private:
  static LinearShape without_relus(const LinearShape& s) { return {s.batch, s.in_features, s.out_features}; }
  static std::size_t size(Index rows, Index columns) { return static_cast<std::size_t>(rows * columns); }
  static std::size_t x_size(const Conv2dShape& s) {
    return size(Index{s.batch} * s.in_h * s.in_w, s.in_channels);
  }
  static std::size_t y_size(const Conv2dShape& s) {
    return size(Index{s.batch} * s.out_h * s.out_w, s.out_channels);
  }
  static std::size_t w_size(const Conv2dShape& s) {
    return size(Index{s.kernel} * s.kernel * s.in_channels, s.out_channels);
  }

  static std::vector<float> zeros(int size) { return std::vector<float>(static_cast<std::size_t>(size)); }

  /// An array of elements in the context's precision, as floats.
  static std::vector<float> floats(const Context& context, const void* array, std::size_t size) {
    std::vector<float> values(size);
    if (context.precision == Precision::bf16) {
      const auto* bits = static_cast<const std::uint16_t*>(array);
      std::transform(bits, bits + size, values.begin(), float_of_bf16);
    } else {
      std::memcpy(values.data(), array, size * sizeof(float));
    }
    return values;
  }

  /// The way back.
  static Status give(const Context& context, const std::vector<float>& values, void* array) {
    if (context.precision == Precision::bf16) {
      std::transform(values.begin(), values.end(), static_cast<std::uint16_t*>(array), bf16_bits);
      return {};
    }
    std::memcpy(array, values.data(), values.size() * sizeof(float));
    return {};
  }

  static void expect_usual_size(const Conv2dShape& s) {
    EXPECT_EQ(s.out_h, (s.in_h + 2 * s.pad - s.kernel) / s.stride + 1);
    EXPECT_EQ(s.out_w, (s.in_w + 2 * s.pad - s.kernel) / s.stride + 1);
  }

  /// Calls visit(place in [K,K,C,O], place in [O,K,K,C]).
  template <class Visit>
  static void for_each_weight(const Conv2dShape& s, const Visit& visit) {
    const auto channels = static_cast<std::size_t>(s.out_channels);
    const std::size_t rows = w_size(s) / channels;
    for (std::size_t i = 0; i < w_size(s); ++i) visit(i, i % channels * rows + i / channels);
  }

  /// Weights [O,K,K,C] as [K,K,C,O], and back.
  static std::vector<float> ours(const Conv2dShape& s, const std::vector<float>& w) {
    std::vector<float> result(w.size());
    for_each_weight(s, [&](std::size_t our, std::size_t theirs) { result[our] = w[theirs]; });
    return result;
  }
  static std::vector<float> vendors(const Conv2dShape& s, const std::vector<float>& w) {
    std::vector<float> result(w.size());
    for_each_weight(s, [&](std::size_t our, std::size_t theirs) { result[theirs] = w[our]; });
    return result;
  }

  const Context reference_ = context_on(Backend::reference);
};

}  // namespace bauta::testing
