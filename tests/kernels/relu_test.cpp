#include "kernels/relu/relu.h"

#include <bit>

#include "kernels/relu/relu_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

struct Outputs {
  explicit Outputs(std::size_t size) : y(size), dx(size) {}
  Guarded<float> y, dx;
};

Outputs run(const Context& context, const Buffer<float>& x, const Buffer<float>& dy) {
  Outputs out(x.size());
  const Index size = static_cast<Index>(x.size());
  EXPECT_TRUE(succeeded(relu_forward(context, size, x.data(), out.y.data())));
  EXPECT_TRUE(succeeded(relu_dgrad(context, size, dy.data(), out.y.data(), out.dx.data())));
  return out;
}

void expect_the_references_bits(const Machine& machine, const Buffer<float>& x) {
  const Buffer<float> dy = random_floats(x.size(), 2);
  const Outputs expected = run(reference_context(), x, dy);
  const Outputs actual = run(Runner(machine).context(), x, dy);
  expect_same_bits(actual.y, expected.y);
  expect_same_bits(actual.dx, expected.dx);
}

class ReluTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, ReluTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(ReluTest, HasTheReferencesBits) {
  for (const Index size : kReluCases) {
    SCOPED_TRACE(size);
    expect_the_references_bits(GetParam(), random_floats(static_cast<std::size_t>(size), 1));
  }
}

TEST_P(ReluTest, HasTheReferencesBitsWhenAllAreOff) {
  Buffer<float> x = random_floats(1000, 1);
  for (float& value : x.span()) value = -std::fabs(value);
  expect_the_references_bits(GetParam(), x);
}

TEST_P(ReluTest, HasTheReferencesBitsAtSpecialValues) {
  const float other_nan = std::bit_cast<float>(0x7FC01234);
  const float special[] = {kNan, -0.0F, 0.0F, kInf, -kInf, 1e-45F, -1e-45F, -kNan, other_nan, -other_nan};
  Buffer<float> x(41);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = special[i % std::size(special)];
  expect_the_references_bits(GetParam(), x);
}

TEST_P(ReluTest, WorksInPlace) {
  const Runner runner(GetParam());
  const Buffer<float> x = random_floats(100, 1);
  const Buffer<float> dy = random_floats(100, 2);
  const Outputs expected = run(runner.context(), x, dy);
  Outputs actual(100);
  std::memcpy(actual.y.data(), x.data(), 100 * sizeof(float));
  std::memcpy(actual.dx.data(), dy.data(), 100 * sizeof(float));
  ASSERT_TRUE(succeeded(relu_forward(runner.context(), 100, actual.y.data(), actual.y.data())));
  ASSERT_TRUE(
      succeeded(relu_dgrad(runner.context(), 100, actual.dx.data(), actual.y.data(), actual.dx.data())));
  expect_same_bits(actual.y, expected.y);
  expect_same_bits(actual.dx, expected.dx);
}

// What torch.relu gives, and its gradient for a gradient of 1.
TEST(ReluReference, TreatsSpecialValuesAsPyTorch) {
  Buffer<float> x(5);
  Buffer<float> dy(5);
  const float special[] = {-0.0F, kNan, -1.0F, 2.0F, kInf};
  const float gradient[] = {0, 1, 0, 1, 1};
  for (std::size_t i = 0; i < 5; ++i) {
    x[i] = special[i];
    dy[i] = 1;
  }
  const Outputs out = run(reference_context(), x, dy);
  EXPECT_EQ(out.y[0], 0);
  EXPECT_TRUE(std::isnan(out.y[1]));
  EXPECT_EQ(out.y[2], 0);
  EXPECT_EQ(out.y[3], 2);
  EXPECT_EQ(out.y[4], kInf);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(out.dx[i], gradient[i]) << i;
}

TEST(ReluReference, GradientAgreesWithFiniteDifferences) {
  Buffer<float> x = random_floats(40, 1);
  for (float& value : x.span()) value += std::copysign(0.1F, value);  // off the kink
  const Buffer<float> dy = random_floats(40, 2);
  const auto forward = [&](const float* in, float* y) {
    ASSERT_TRUE(succeeded(relu_forward(reference_context(), 40, in, y)));
  };
  expect_gradient(forward, x, dy, run(reference_context(), x, dy).dx, 1e-4);
}

TEST(ReluTest, RefusesANegativeSize) {
  EXPECT_FALSE(relu_forward({}, -1, nullptr, nullptr).ok());
  EXPECT_FALSE(relu_dgrad({}, -1, nullptr, nullptr, nullptr).ok());
}

}  // namespace
}  // namespace bauta::testing
