#include "kernels/sgd/sgd.h"

#include "kernels/sgd/sgd_cases.h"
#include "tests/kernels/optimizer_parity.h"
#include "tests/kernels/optimizer_test.h"

namespace bauta::testing {
namespace {

struct State {
  explicit State(Index size) : w(static_cast<std::size_t>(size)), u(w.size()) {
    const Buffer<float> random = random_floats(2 * w.size(), 1);
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] = random[2 * i];
      u[i] = random[2 * i + 1];
    }
  }
  Guarded<float> w, u;
};

void step(const Context& context, const SgdStep& sgd, const Buffer<float>& g, State& state,
          const float* skip = nullptr) {
  const auto numbers = sgd_numbers(sgd);
  ASSERT_TRUE(succeeded(numbers.status()));
  ASSERT_TRUE(succeeded(sgd_step(context, buffer_of(*numbers).data(), skip, static_cast<Index>(g.size()),
                                 g.data(), state.w.data(), state.u.data())));
}

class SgdTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, SgdTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(SgdTest, EqualsTheReference) {
  for (const Index size : kSgdCases) {
    for (const float momentum : {0.0F, 0.9F}) {
      SCOPED_TRACE(::testing::Message() << size << ", momentum " << momentum);
      const Buffer<float> g = random_floats(static_cast<std::size_t>(size), 2);
      State expected(size);
      State actual(size);
      step(reference_context(), {0.1F, momentum}, g, expected);
      step(Runner(GetParam()).context(), {0.1F, momentum}, g, actual);
      expect_close(actual.w, expected.w, 2e-7);
      expect_close(actual.u, expected.u, 2e-7);
    }
  }
}

TEST_P(SgdTest, TwentyStepsEqualPyTorchs) {
  const Runner runner(GetParam());
  State state(kParitySize);
  Buffer<float> g(kParitySize);
  for (std::size_t i = 0; i < kParitySize; ++i) {
    state.w[i] = -1 + static_cast<float>(i) / 3;
    state.u[i] = 0;
  }
  for (int t = 0; t < kParitySteps; ++t) {
    std::memcpy(g.data(), kParityGradients[t], kParitySize * sizeof(float));
    step(runner.context(), {0.01F, 0.9F}, g, state);
    for (std::size_t i = 0; i < kParitySize; ++i) {
      const float expected = kParitySgd[t][i];
      ASSERT_NEAR(state.w[i], expected, 5e-7 * std::fmax(1.0F, std::fabs(expected)))
          << "parameter " << i << " after step " << t + 1;
    }
  }
}

TEST_P(SgdTest, ANanGradientSpoilsItsParameterAlone) {
  const Runner runner(GetParam());
  expect_a_nan_to_spoil_its_parameter_alone<State>(
      [&](const Buffer<float>& g, State& state) { step(runner.context(), {}, g, state); });
}

TEST_P(SgdTest, AStepIsSkippedWhereItIsToldTo) {
  const Runner runner(GetParam());
  const Buffer<float> g = random_floats(37, 2);
  Buffer<float> skip(1);
  State before(37);
  State state(37);
  skip[0] = 1;
  step(runner.context(), {0.1F, 0.9F}, g, state, skip.data());
  expect_same_bits(state.w, before.w);
  expect_same_bits(state.u, before.u);
}

TEST(SgdTest, RefusesSettingsThatMakeNoSense) {
  EXPECT_TRUE(succeeded(sgd_numbers({}).status()));
  EXPECT_EQ(sgd_numbers({-1, 0}).status().message(), "sgd: lr is -1.000000: it must be at least 0");
  EXPECT_EQ(sgd_numbers({0.1F, 1}).status().message(),
            "sgd: momentum is 1.000000: it must be at least 0 and less than 1");
  EXPECT_FALSE(sgd_step({}, nullptr, nullptr, -1, nullptr, nullptr, nullptr).ok());
}

}  // namespace
}  // namespace bauta::testing
