#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/kernels/op_test.h"

namespace bauta::testing {

/// Holds two steps from the same state, one of them with a NaN among its gradients, against each other: they
/// differ in that gradient's parameter alone, which is NaN. A State is made of a size, and has parameters w.
template <class State>
void expect_a_nan_to_spoil_its_parameter_alone(
    const std::function<void(const Buffer<float>& gradients, State&)>& step) {
  constexpr Index kSize = 37;
  constexpr std::size_t kSpoilt = 3;
  Buffer<float> g = random_floats(kSize, 2);
  State healthy(kSize);
  State spoilt(kSize);
  step(g, healthy);
  g[kSpoilt] = kNan;
  step(g, spoilt);
  for (std::size_t i = 0; i < kSize; ++i) {
    EXPECT_EQ(std::isnan(spoilt.w[i]), i == kSpoilt) << i;
    if (i != kSpoilt) {
      EXPECT_EQ(spoilt.w[i], healthy.w[i]) << i;
    }
  }
}

}  // namespace bauta::testing
