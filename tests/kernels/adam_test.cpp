#include "kernels/adam/adam.h"

#include "kernels/adam/adam_cases.h"
#include "tests/kernels/optimizer_parity.h"
#include "tests/kernels/optimizer_test.h"

namespace bauta::testing {
namespace {

/// Parameters and their moments, random as after some steps.
struct State {
  explicit State(Index size) : w(static_cast<std::size_t>(size)), m(w.size()), v(w.size()) {
    const Buffer<float> random = random_floats(3 * w.size(), 1);
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] = random[3 * i];
      m[i] = random[3 * i + 1];
      v[i] = std::fabs(random[3 * i + 2]);
    }
  }
  Guarded<float> w, m, v;
};

void step(const Context& context, const AdamStep& adam, const Buffer<float>& g, State& state,
          const float* skip = nullptr) {
  const auto numbers = adam_numbers(adam);
  ASSERT_TRUE(succeeded(numbers.status()));
  ASSERT_TRUE(succeeded(adam_step(context, buffer_of(*numbers).data(), skip, static_cast<Index>(g.size()),
                                  g.data(), state.w.data(), state.m.data(), state.v.data())));
}

class AdamTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, AdamTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(AdamTest, EqualsTheReference) {
  for (const Index size : kAdamCases) {
    SCOPED_TRACE(size);
    const Buffer<float> g = random_floats(static_cast<std::size_t>(size), 2);
    State expected(size);
    State actual(size);
    const AdamStep adam{.lr = 1e-2, .step = 3};
    step(reference_context(), adam, g, expected);
    step(Runner(GetParam()).context(), adam, g, actual);
    expect_close(actual.w, expected.w, 2e-7);
    expect_close(actual.m, expected.m, 2e-7);
    expect_close(actual.v, expected.v, 2e-7);
  }
}

TEST_P(AdamTest, TwentyStepsEqualPyTorchs) {
  const Runner runner(GetParam());
  State state(kParitySize);
  Buffer<float> g(kParitySize);
  for (std::size_t i = 0; i < kParitySize; ++i) {
    state.w[i] = -1 + static_cast<float>(i) / 3;
    state.m[i] = state.v[i] = 0;
  }
  for (int t = 0; t < kParitySteps; ++t) {
    std::memcpy(g.data(), kParityGradients[t], kParitySize * sizeof(float));
    step(runner.context(), {.lr = 1e-2, .step = t + 1}, g, state);
    for (std::size_t i = 0; i < kParitySize; ++i) {
      ASSERT_NEAR(state.w[i], kParityAdam[t][i], 2e-7) << "parameter " << i << " after step " << t + 1;
    }
  }
}

TEST_P(AdamTest, BitsDoNotDependOnThreads) {
  const Index size = 3 * 16384 + 37;
  const Buffer<float> g = random_floats(static_cast<std::size_t>(size), 2);
  State one(size);
  State many(size);
  step(Runner({"", GetParam().isa, 1, GetParam().backend}).context(), {}, g, one);
  step(Runner({"", GetParam().isa, 8, GetParam().backend}).context(), {}, g, many);
  expect_same_bits(one.w, many.w);
  expect_same_bits(one.m, many.m);
  expect_same_bits(one.v, many.v);
}

TEST_P(AdamTest, ANanGradientSpoilsItsParameterAlone) {
  const Runner runner(GetParam());
  expect_a_nan_to_spoil_its_parameter_alone<State>(
      [&](const Buffer<float>& g, State& state) { step(runner.context(), {}, g, state); });
}

TEST_P(AdamTest, AStepIsSkippedWhereItIsToldTo) {
  const Runner runner(GetParam());
  const Buffer<float> g = random_floats(37, 2);
  Buffer<float> skip(1);
  State before(37);
  State expected(37);
  State state(37);
  skip[0] = 1;
  step(runner.context(), {}, g, state, skip.data());
  expect_same_bits(state.w, before.w);
  expect_same_bits(state.m, before.m);
  expect_same_bits(state.v, before.v);
  skip[0] = 0;
  step(runner.context(), {}, g, state, skip.data());
  step(runner.context(), {}, g, expected);
  expect_same_bits(state.w, expected.w);
}

TEST(AdamTest, RefusesSettingsThatMakeNoSense) {
  const auto error = [](const AdamStep& adam) { return adam_numbers(adam).status().message(); };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({.lr = -1}), "adam: lr is -1.000000: it must be at least 0");
  EXPECT_EQ(error({.beta1 = 1}), "adam: beta1 is 1.000000: it must be at least 0 and less than 1");
  EXPECT_NE(error({.beta2 = double{kNan}}), "");
  EXPECT_NE(error({.epsilon = -1e-8}), "");
  EXPECT_EQ(error({.step = 0}), "adam: step is 0: steps are counted from 1");
  EXPECT_FALSE(adam_step({}, nullptr, nullptr, -1, nullptr, nullptr, nullptr, nullptr).ok());
}

}  // namespace
}  // namespace bauta::testing
