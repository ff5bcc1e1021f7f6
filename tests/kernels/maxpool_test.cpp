#include "kernels/maxpool/maxpool.h"

#include "kernels/maxpool/maxpool_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

std::size_t in_size(const MaxPoolShape& s) {
  return static_cast<std::size_t>(Index{s.batch} * s.in_h * s.in_w * s.channels);
}

std::size_t out_size(const MaxPoolShape& s) {
  return static_cast<std::size_t>(Index{s.batch} * s.out_h * s.out_w * s.channels);
}

struct Outputs {
  explicit Outputs(const MaxPoolShape& s) : y(out_size(s)), dx(in_size(s)), argmax(out_size(s)) {}
  Guarded<float> y, dx;
  Guarded<std::uint8_t> argmax;
};

Outputs run(const Context& context, const MaxPoolShape& s, const Buffer<float>& x, const Buffer<float>& dy) {
  Outputs out(s);
  EXPECT_TRUE(succeeded(maxpool_forward(context, s, x.data(), out.y.data(), out.argmax.data())));
  EXPECT_TRUE(succeeded(maxpool_dgrad(context, s, dy.data(), out.argmax.data(), out.dx.data())));
  return out;
}

// Sums of gradients run in the same order everywhere, so that nothing is rounded differently.
void expect_the_references_bits(const Machine& machine, const MaxPoolShape& s, const Buffer<float>& x) {
  const Buffer<float> dy = random_floats(out_size(s), 2);
  const Outputs expected = run(reference_context(), s, x, dy);
  const Outputs actual = run(Runner(machine).context(), s, x, dy);
  expect_same_bits(actual.y, expected.y);
  expect_same_bits(actual.dx, expected.dx);
  expect_same_bits(actual.argmax, expected.argmax);
}

class MaxPoolTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, MaxPoolTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(MaxPoolTest, HasTheReferencesBits) {
  for (const MaxPoolShape& s : kMaxPoolCases) {
    SCOPED_TRACE(::testing::Message()
                 << s.in_h << "x" << s.in_w << "x" << s.channels << ", window " << s.window);
    expect_the_references_bits(GetParam(), s, random_floats(in_size(s), 1));
  }
}

TEST_P(MaxPoolTest, GivesTheFirstAmongEquals) {
  const MaxPoolShape s = {2, 17, 13, 19, 3, 2, 8, 6};
  Buffer<float> x(in_size(s));
  expect_the_references_bits(GetParam(), s, x);  // all zeros
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761U % 3);
  expect_the_references_bits(GetParam(), s, x);
}

TEST_P(MaxPoolTest, GivesTheLastPlaceOfTheLargestWindow) {
  const MaxPoolShape s = {1, 17, 16, 19, kLargestPoolWindow, 1, 2, 1};
  Buffer<float> x(in_size(s));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  expect_the_references_bits(GetParam(), s, x);
}

TEST_P(MaxPoolTest, HasTheReferencesBitsAtSpecialValues) {
  const MaxPoolShape s = {2, 17, 13, 19, 3, 2, 8, 6};
  Buffer<float> x = random_floats(in_size(s), 1);
  for (std::size_t i = 0; i < x.size(); i += 5) x[i] = i % 3 == 0 ? kNan : kInf;
  expect_the_references_bits(GetParam(), s, x);
  for (float& value : x.span()) value = -kInf;
  expect_the_references_bits(GetParam(), s, x);
}

TEST_P(MaxPoolTest, ArgmaxMayBeLeftOut) {
  const MaxPoolShape s = {1, 6, 7, 3, 3, 1, 4, 5};
  const Buffer<float> x = random_floats(in_size(s), 1);
  const Runner runner(GetParam());
  const Outputs with = run(runner.context(), s, x, random_floats(out_size(s), 2));
  Outputs without(s);
  ASSERT_TRUE(succeeded(maxpool_forward(runner.context(), s, x.data(), without.y.data(), nullptr)));
  expect_same_bits(without.y, with.y);
}

// What torch.nn.functional.max_pool2d gives.
TEST(MaxPoolReference, TreatsNanAndInfinityAsPyTorch) {
  const MaxPoolShape s = {1, 2, 2, 1, 2, 2, 1, 1};
  Guarded<float> y(1);
  Guarded<std::uint8_t> argmax(1);
  const float nans[] = {kNan, 1, kNan, 5};
  ASSERT_TRUE(succeeded(maxpool_forward(reference_context(), s, nans, y.data(), argmax.data())));
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(argmax[0], 2);
  const float infinities[] = {-kInf, -kInf, -kInf, -kInf};
  ASSERT_TRUE(succeeded(maxpool_forward(reference_context(), s, infinities, y.data(), argmax.data())));
  EXPECT_EQ(y[0], -kInf);
  EXPECT_EQ(argmax[0], 0);
}

TEST(MaxPoolReference, GradientAgreesWithFiniteDifferences) {
  const MaxPoolShape s = {1, 6, 7, 3, 3, 1, 4, 5};
  Buffer<float> x(in_size(s));
  // All values differ by more than the difference's step, so that no winner changes.
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.05F * static_cast<float>(i * 7919 % x.size());
  const Buffer<float> dy = random_floats(out_size(s), 2);
  const auto forward = [&](const float* in, float* y) {
    ASSERT_TRUE(succeeded(maxpool_forward(reference_context(), s, in, y, nullptr)));
  };
  expect_gradient(forward, x, dy, run(reference_context(), s, x, dy).dx, 1e-4);
}

TEST(MaxPoolTest, RefusesShapesThatMakeNoSense) {
  float value = 0;
  EXPECT_FALSE(maxpool_forward({}, {1, 4, 4, 0, 2, 2, 2, 2}, &value, &value, nullptr).ok());
  EXPECT_EQ(maxpool_forward({}, {1, 17, 17, 1, 17, 1, 1, 1}, &value, &value, nullptr).message(),
            "maxpool: window is 17: a place in the window is one byte, so it can be at most 16");
  EXPECT_EQ(maxpool_forward({}, {1, 4, 4, 1, 2, 2, 3, 2}, &value, &value, nullptr).message(),
            "maxpool: out_h is 3: the last window would reach beyond the input, padding included: "
            "it can be at most (in - window) / stride + 1");
  EXPECT_FALSE(maxpool_dgrad({}, {1, 4, 4, 1, 2, 2, 2, 3}, &value, nullptr, &value).ok());
}

}  // namespace
}  // namespace bauta::testing
