#include "kernels/conv_relu_pool/conv_relu_pool.h"

#include <algorithm>

#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"
#include "kernels/conv_relu_pool/conv_relu_pool_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

// Inputs of all three passes.
struct Problem {
  explicit Problem(const ConvReluPoolShape& shape)
      : s(shape),
        shards{shape.batch},
        x(random_floats(product({s.batch, s.in_h, s.in_w, s.in_channels}), 1)),
        w(random_floats(product({s.kernel, s.kernel, s.in_channels, s.out_channels}), 2)),
        bias(random_floats(product({s.out_channels}), 3)),
        dy(random_floats(product({s.batch, s.out_h, s.out_w, s.out_channels}), 4)) {}

  float& x_at(int n, int row, int column, int c) {
    return x[product({n, s.in_h, s.in_w, s.in_channels}) + product({row, s.in_w, s.in_channels}) +
             product({column, s.in_channels}) + static_cast<std::size_t>(c)];
  }

  ConvReluPoolShape s;
  Shards shards;
  Buffer<float> x, w, bias, dy;
};

std::size_t argmax_size(const ConvReluPoolShape& s) {
  return product({s.batch, s.out_h, s.out_w, s.argmax_stride()});
}

struct Forward {
  explicit Forward(const Problem& p) : y(p.dy.size()), argmax(argmax_size(p.s)) {}
  Guarded<float> y;
  Guarded<std::uint8_t> argmax;
};

struct Gradients {
  explicit Gradients(const Problem& p) : dx(p.x.size()), dw(p.w.size()), dbias(p.bias.size()) {}
  Guarded<float> dx, dw, dbias;
};

Runner runner_for(const Machine& machine, const ConvReluPoolShape& s) {
  return Runner(machine, s, conv_relu_pool_workspace);
}

// The context with the workspace that the pass asks for.
Context context_of(Pass pass, const Context& context, const ConvReluPoolShape& s) {
  return with_workspace(context, conv_relu_pool_workspace(context, s, pass));
}

Forward forward(const Context& context, const Problem& p) {
  Forward out(p);
  const Status status = conv_relu_pool_forward(context_of(Pass::forward, context, p.s), p.s, p.x.data(),
                                               p.w.data(), p.bias.data(), out.y.data(), out.argmax.data());
  EXPECT_TRUE(succeeded(status));
  return out;
}

Gradients backward(const Context& context, const Problem& p, const Forward& f) {
  Gradients out(p);
  Status status = conv_relu_pool_dgrad(context_of(Pass::dgrad, context, p.s), p.s, p.dy.data(), f.y.data(),
                                       f.argmax.data(), p.w.data(), out.dx.data());
  EXPECT_TRUE(succeeded(status));
  status = conv_relu_pool_wgrad(context_of(Pass::wgrad, context, p.s), p.s, p.shards, p.x.data(), p.dy.data(),
                                f.y.data(), f.argmax.data(), out.dw.data(), out.dbias.data());
  EXPECT_TRUE(succeeded(status));
  return out;
}

int winner(const ConvReluPoolShape& s, const Guarded<std::uint8_t>& argmax, std::size_t i) {
  const std::size_t channels = static_cast<std::size_t>(s.out_channels);
  const std::size_t stride = static_cast<std::size_t>(s.argmax_stride());
  const std::size_t o = i % channels;
  return (argmax[i / channels * stride + o / 4] >> (2 * (o % 4))) & 3;
}

// The convolution at the window position `at` (2·row + column) of output i, in double.
double convolution(const Problem& p, std::size_t i, int at) {
  const ConvReluPoolShape& s = p.s;
  Index rest = static_cast<Index>(i);
  const Index o = rest % s.out_channels;
  rest /= s.out_channels;
  const Index column = (2 * (rest % s.out_w) + at % 2) * s.stride - s.pad;
  rest /= s.out_w;
  const Index row = (2 * (rest % s.out_h) + at / 2) * s.stride - s.pad;
  const Index n = rest / s.out_h;
  double sum = p.bias[static_cast<std::size_t>(o)];
  for (Index r = std::max<Index>(0, -row); r < std::min<Index>(s.kernel, s.in_h - row); ++r) {
    for (Index k = std::max<Index>(0, -column); k < std::min<Index>(s.kernel, s.in_w - column); ++k) {
      for (Index c = 0; c < s.in_channels; ++c) {
        sum += double{p.x.data()[((n * s.in_h + row + r) * s.in_w + column + k) * s.in_channels + c]} *
               p.w.data()[((r * s.kernel + k) * s.in_channels + c) * s.out_channels + o];
      }
    }
  }
  return sum;
}

// The same winners, but where two values of a window differ by less than rounding; unused bits are zero.
void expect_same_winners(const Problem& p, const Forward& actual, const Forward& expected, double tolerance) {
  actual.argmax.check();
  double largest = 0;
  for (std::size_t i = 0; i < expected.y.size(); ++i) largest = std::fmax(largest, std::fabs(expected.y[i]));
  for (std::size_t i = 0; i < expected.y.size(); ++i) {
    const int a = winner(p.s, actual.argmax, i);
    const int e = winner(p.s, expected.argmax, i);
    if (a != e) {
      ASSERT_NEAR(convolution(p, i, a), convolution(p, i, e), tolerance * std::fmax(largest, 1.0))
          << "at " << i;
    }
  }
  const int used = p.s.out_channels % 4;
  const std::size_t stride = static_cast<std::size_t>(p.s.argmax_stride());
  for (std::size_t b = stride - 1; used != 0 && b < actual.argmax.size(); b += stride) {
    ASSERT_EQ(actual.argmax[b] >> (2 * used), 0) << "at byte " << b;
  }
}

// Holds a machine's three passes on p against the reference's on `factors`, which are p's; both backward
// passes are given the reference's y and argmax.
void expect_equals_reference(const Machine& machine, const Problem& p, const Problem& factors,
                             double tolerance) {
  SCOPED_TRACE(::testing::Message() << p.s.batch << "x" << p.s.in_h << "x" << p.s.in_w << "x"
                                    << p.s.in_channels << " to " << p.s.out_channels << ", kernel "
                                    << p.s.kernel << ", stride " << p.s.stride << ", pad " << p.s.pad);
  const Runner runner = runner_for(machine, p.s);
  const Forward expected = forward(reference_context(), factors);
  const Forward actual = forward(runner.context(), p);
  expect_close(actual.y, expected.y, tolerance);
  expect_same_winners(factors, actual, expected, tolerance);
  const Gradients expected_gradients = backward(reference_context(), factors, expected);
  const Gradients actual_gradients = backward(runner.context(), p, expected);
  expect_close(actual_gradients.dx, expected_gradients.dx, tolerance);
  expect_close(actual_gradients.dw, expected_gradients.dw, 2 * tolerance);
  expect_close(actual_gradients.dbias, expected_gradients.dbias, 2 * tolerance);
}

void expect_equals_reference(const Machine& machine, const Problem& p) {
  expect_equals_reference(machine, p, p, 2e-6);
}

void expect_same_bits(const Forward& a, const Forward& b) {
  expect_same_bits(a.y, b.y);
  expect_same_bits(a.argmax, b.argmax);
}

// What the regimes below are tried on: borders on all sides, channels that fill vectors and some that do not.
constexpr ConvReluPoolShape kSmall = {3, 8, 9, 17, 37, 3, 1, 1, 3, 4};

// The study's layers with too few samples for every shard to have one; simt needs a second for each.
std::vector<ConvReluPoolShape> cases(Backend backend) {
  std::vector<ConvReluPoolShape> all(kConvReluPoolCases.begin(), kConvReluPoolCases.end());
  for (ConvReluPoolShape& s : all) {
    if (s.batch == 32) s.batch = backend == Backend::simt ? 1 : 2;
  }
  return all;
}

class ConvReluPoolTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolTest, ::testing::ValuesIn(machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Gpus, ConvReluPoolTest, ::testing::ValuesIn(gpu_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, ConvReluPoolTest, ::testing::ValuesIn(vendor_machines()), machine_name);

TEST_P(ConvReluPoolTest, EqualsTheReference) {
  for (const ConvReluPoolShape& s : cases(GetParam().backend))
    expect_equals_reference(GetParam(), Problem(s));
}

void expect_workspaces_to_grow(const Machine& machine) {
  for (ConvReluPoolShape s : kConvReluPoolCases) {
    expect_workspaces_to_grow_with_the_batch(machine, [&](const Context& context, int batch, Pass pass) {
      s.batch = batch;
      return conv_relu_pool_workspace(context, s, pass);
    });
  }
}

TEST_P(ConvReluPoolTest, AWorkspaceForABatchIsEnoughForASmallerOne) { expect_workspaces_to_grow(GetParam()); }

TEST_P(ConvReluPoolTest, FirstOfEqualsWins) {
  Problem p(kSmall);
  p.s.pad = 0;
  p.s.out_w = 3;
  std::ranges::fill(p.x.span(), 0.5F);
  p.dy = random_floats(product({p.s.batch, p.s.out_h, p.s.out_w, p.s.out_channels}), 4);
  expect_equals_reference(GetParam(), p);
  const Forward out = forward(runner_for(GetParam(), p.s).context(), p);
  for (std::size_t b = 0; b < out.argmax.size(); ++b) ASSERT_EQ(out.argmax[b], 0);
}

TEST_P(ConvReluPoolTest, NoGradientWhereEveryReluIsOff) {
  Problem p(kSmall);
  std::ranges::fill(p.bias.span(), -1000.0F);
  expect_equals_reference(GetParam(), p);
  const Forward out = forward(runner_for(GetParam(), p.s).context(), p);
  for (std::size_t i = 0; i < out.y.size(); ++i) ASSERT_EQ(out.y[i], 0);
}

TEST_P(ConvReluPoolTest, EqualsTheReferenceWhereEveryReluIsOn) {
  Problem p(kSmall);
  std::ranges::fill(p.bias.span(), 10.0F);
  std::ranges::fill(p.w.span().first(p.w.size() / 2), 0.0F);
  expect_equals_reference(GetParam(), p);
}

TEST_P(ConvReluPoolTest, OneGradientReachesOneWinner) {
  Problem p(kSmall);
  const Forward out = forward(reference_context(), p);
  std::size_t on = p.dy.size() / 2;
  while (out.y[on] <= 0) ++on;
  std::ranges::fill(p.dy.span(), 0.0F);
  p.dy[on] = 3;
  expect_equals_reference(GetParam(), p);
}

Problem with_what_is_not_finite() {
  Problem p(kSmall);
  p.x_at(0, 3, 3, 2) = kNan;
  p.x_at(1, 4, 4, 5) = kInf;
  p.x_at(2, 0, 0, 16) = -kInf;
  return p;
}

// What is finite in the reference's y is within the tolerance; what is not is equal, with its winner.
void expect_to_pass_through(const Machine& machine, const Problem& p, const Problem& reference,
                            double tolerance) {
  const Forward expected = forward(reference_context(), reference);
  const Forward actual = forward(runner_for(machine, p.s).context(), p);
  for (std::size_t i = 0; i < expected.y.size(); ++i) {
    if (std::isfinite(expected.y[i])) {
      ASSERT_NEAR(actual.y[i], expected.y[i], tolerance) << "at " << i;
    } else {
      ASSERT_TRUE(std::isnan(actual.y[i]) == std::isnan(expected.y[i]) &&
                  (std::isnan(actual.y[i]) || actual.y[i] == expected.y[i]))
          << "at " << i << ": " << actual.y[i] << ", expected " << expected.y[i];
      ASSERT_EQ(winner(p.s, actual.argmax, i), winner(p.s, expected.argmax, i)) << "at " << i;
    }
  }
}

TEST_P(ConvReluPoolTest, NanAndInfinityPassThrough) {
  const Problem p = with_what_is_not_finite();
  expect_to_pass_through(GetParam(), p, p, 1e-5);
}

// Where a last byte is not full, whatever the values.
TEST_P(ConvReluPoolTest, UnusedBitsOfTheArgmaxAreZero) {
  for (const int channels : {1, 6}) {
    Problem p({1, 2, 2, 1, channels, 1, 1, 0, 1, 1});
    const float values[] = {1, std::numeric_limits<float>::infinity(), 0, kNan};
    std::ranges::copy(values, p.x.data());
    const Forward actual = forward(runner_for(GetParam(), p.s).context(), p);
    const auto bytes = static_cast<std::size_t>(p.s.argmax_stride());
    EXPECT_EQ(actual.argmax[bytes - 1] >> (2 * (channels % 4)), 0) << channels;
  }
}

// Every sample of a batch has the y that it has by itself.
void expect_bits_of_samples_alone(const Machine& machine, const Problem& p) {
  ConvReluPoolShape one = p.s;
  one.batch = 1;
  const auto batch = static_cast<std::size_t>(p.s.batch);
  const Runner runner = runner_for(machine, p.s);
  const Forward all = forward(runner.context(), p);
  const std::size_t y_size = all.y.size() / batch;
  for (std::size_t n = 0; n < batch; ++n) {
    Guarded<float> y(y_size);
    const float* x = p.x.data() + n * (p.x.size() / batch);
    ASSERT_TRUE(succeeded(
        conv_relu_pool_forward(runner.context(), one, x, p.w.data(), p.bias.data(), y.data(), nullptr)));
    EXPECT_EQ(std::memcmp(y.data(), all.y.data() + n * y_size, y_size * sizeof(float)), 0) << "sample " << n;
  }
}

class ConvReluPoolBf16Test : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConvReluPoolBf16Test);
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolBf16Test, ::testing::ValuesIn(bf16_patch_machines()),
                         machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, ConvReluPoolBf16Test, ::testing::ValuesIn(vendor_machines(Precision::bf16)),
                         machine_name);

// What is summed are fp32 products of the rounded factors, without further loss. dbias is a row of wgrad's
// product.
void expect_reference_on_rounded_factors(const Machine& machine, const ConvReluPoolShape& s) {
  const Problem p(s);
  expect_equals_reference(machine, p, with_rounded_factors(p), bf16_convolution_tolerance(machine));
}

TEST_P(ConvReluPoolBf16Test, EqualsTheReferenceOnRoundedFactors) {
  for (const ConvReluPoolShape& s : cases(Backend::simt)) {
    if (limits_matter(GetParam(), s.kernel, s.stride)) expect_reference_on_rounded_factors(GetParam(), s);
  }
}

TEST_P(ConvReluPoolBf16Test, AWorkspaceForABatchIsEnoughForASmallerOne) {
  expect_workspaces_to_grow(GetParam());
}

class ConvReluPoolOwnBf16Test : public ConvReluPoolBf16Test {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConvReluPoolOwnBf16Test);
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolOwnBf16Test, ::testing::ValuesIn(bf16_patch_machines()),
                         machine_name);

TEST_P(ConvReluPoolOwnBf16Test, BitsOfASampleDoNotDependOnItsBatch) {
  expect_bits_of_samples_alone(GetParam(), Problem({3, 8, 9, 17, 37, 3, 1, 1, 3, 4}));
}

// 6 patches an image: more than forward and wgrad have blocks, and than dgrad, over 32 channels, has groups
// of threads.
TEST_P(ConvReluPoolOwnBf16Test, ABlockComputesOnePatchAfterAnotherOfFewChannels) {
  expect_reference_on_rounded_factors(GetParam(), {89, 24, 24, 4, 32, 3, 1, 1, 12, 12});
}

// More than forward has groups of threads, and three times as many as wgrad has blocks.
TEST_P(ConvReluPoolOwnBf16Test, ABlockComputesOnePatchAfterAnotherOf32Channels) {
  expect_reference_on_rounded_factors(GetParam(), {67, 24, 24, 32, 4, 3, 1, 1, 12, 12});
}

// A NaN in each corner of a window, by patches; of few channels an infinity is multiplied by zeros.
TEST_P(ConvReluPoolOwnBf16Test, NanAndInfinityPassThroughPatches) {
  for (const int channels : {4, 32}) {
    Problem p({1, 24, 24, channels, 8, 3, 1, 1, 12, 12});
    p.x_at(0, 3, 3, 2) = kNan;
    p.x_at(0, 8, 15, 0) = kNan;
    p.x_at(0, 23, 22, 1) = kNan;
    if (channels == 32) {
      p.x_at(0, 14, 5, 31) = kInf;
      p.x_at(0, 19, 0, 7) = -kInf;
    }
    expect_to_pass_through(GetParam(), p, with_rounded_factors(p), 1e-4);
  }
}

class ConvReluPoolCpuTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolCpuTest, ::testing::ValuesIn(machines()), machine_name);

TEST_P(ConvReluPoolCpuTest, WhatIsNotFiniteIsNotMultipliedByZeros) {
  const Problem p = with_what_is_not_finite();
  const Forward f = forward(reference_context(), p);
  const Gradients expected = backward(reference_context(), p, f);
  const Gradients actual = backward(runner_for(GetParam(), p.s).context(), p, f);
  for (std::size_t i = 0; i < expected.dw.size(); ++i) {
    ASSERT_EQ(std::isfinite(actual.dw[i]), std::isfinite(expected.dw[i])) << "at " << i;
  }
  expect_close(actual.dx, expected.dx, 2e-6);
}

// The image is larger than the region that is read: what lies outside of it reaches nothing.
TEST_P(ConvReluPoolTest, WhatIsNotReadDoesNotMatter) {
  Problem p({2, 12, 13, 5, 9, 3, 1, 1, 4, 5});  // reads 8 rows and 10 columns and the padding before them
  const Forward expected = forward(reference_context(), p);
  const Gradients expected_gradients = backward(reference_context(), p, expected);
  for (int n = 0; n < 2; ++n) {
    for (int row = 0; row < 12; ++row) {
      for (int column = 0; column < 13; ++column) {
        for (int c = 0; c < 5; ++c) {
          if (row > 8 || column > 10) p.x_at(n, row, column, c) = kNan;
        }
      }
    }
  }
  const Runner runner = runner_for(GetParam(), p.s);
  expect_close(forward(runner.context(), p).y, expected.y, 2e-6);
  const Gradients actual = backward(runner.context(), p, expected);
  expect_close(actual.dx, expected_gradients.dx, 2e-6);
  expect_close(actual.dw, expected_gradients.dw, 4e-6);
}

TEST_P(ConvReluPoolTest, InferenceNeedsNoArgmax) {
  const Problem p(kSmall);
  const Runner runner = runner_for(GetParam(), p.s);
  const Forward with = forward(runner.context(), p);
  Guarded<float> y(with.y.size());
  ASSERT_TRUE(succeeded(conv_relu_pool_forward(runner.context(), p.s, p.x.data(), p.w.data(), p.bias.data(),
                                               y.data(), nullptr)));
  y.check();
  expect_same_bits(y, with.y);
}

TEST_P(ConvReluPoolTest, BitsDoNotDependOnThreads) {
  Problem p({13, 8, 9, 17, 37, 3, 1, 1, 3, 4});
  const Runner one = runner_for(with_threads(GetParam(), 1), p.s);
  const Forward y = forward(one.context(), p);
  // All shards in one process, and one alone, whose channels the threads then share.
  for (const Shards& shards : {Shards{13, 0, 8}, Shards{13 * 8, 3, 1}}) {
    p.shards = shards;
    const Gradients gradients = backward(one.context(), p, y);
    for (int threads : {2, 3, 8}) {
      const Runner many = runner_for(with_threads(GetParam(), threads), p.s);
      expect_same_bits(forward(many.context(), p), y);
      const Gradients others = backward(many.context(), p, y);
      expect_same_bits(others.dx, gradients.dx);
      expect_same_bits(others.dw, gradients.dw);
      expect_same_bits(others.dbias, gradients.dbias);
    }
  }
}

// A vendor may choose another kernel for another batch.
class ConvReluPoolOwnTest : public ConvReluPoolTest {};
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolOwnTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(ConvReluPoolOwnTest, BitsOfASampleDoNotDependOnItsBatch) {
  expect_bits_of_samples_alone(GetParam(), Problem({5, 8, 9, 17, 37, 3, 1, 1, 3, 4}));
}

TEST_P(ConvReluPoolTest, GradientsOfTwoHalvesAddUpToTheWhole) {
  const Problem p({13, 8, 9, 17, 37, 3, 1, 1, 3, 4});
  const Runner runner = runner_for(GetParam(), p.s);
  const Forward f = forward(runner.context(), p);
  expect_halves_to_add_up(GetParam(), p.s.batch, [&](const Shards& shards) {
    const Index begin = shards.global_begin(shards.first);
    const Index position = begin * p.s.out_h * p.s.out_w;
    ConvReluPoolShape s = p.s;
    s.batch = shards.batch();
    Gradients out(p);
    EXPECT_TRUE(succeeded(conv_relu_pool_wgrad(
        runner.context(), s, shards, p.x.data() + begin * s.in_h * s.in_w * s.in_channels,
        p.dy.data() + position * s.out_channels, f.y.data() + position * s.out_channels,
        f.argmax.data() + position * s.argmax_stride(), out.dw.data(), out.dbias.data())));
    return out;
  });
}

// Values of a window lie further apart than a difference moves them, or the loss would have corners.
TEST(ConvReluPoolReference, GradientsAgreeWithFiniteDifferences) {
  Problem p({2, 7, 8, 3, 5, 3, 1, 1, 3, 3});
  const Context context = reference_context();
  const Forward f = forward(context, p);
  const Gradients out = backward(context, p, f);
  const auto run = [&](const float* x, const float* w, const float* bias, float* y) {
    ASSERT_TRUE(succeeded(conv_relu_pool_forward(context, p.s, x, w, bias, y, nullptr)));
  };
  expect_gradients(run, p, out, 1e-3, 1.0F / 1024);
}

TEST(ConvReluPoolTest, RefusesShapesShardsAndWorkspacesThatMakeNoSense) {
  float value = 0;
  std::uint8_t bits = 0;
  const auto run = [&](const ConvReluPoolShape& s) {
    return conv_relu_pool_forward(reference_context(), s, &value, &value, &value, &value, &bits).message();
  };
  EXPECT_EQ(run({0, 2, 2, 1, 1, 1, 1, 0, 1, 1}),
            "conv_relu_pool: batch is 0: every size of a shape must be at least 1");
  EXPECT_EQ(run({1, 2, 2, 1, 1, 1, 1, 1, 1, 1}),
            "conv_relu_pool: pad is 1: it must be at least 0 and less than the kernel's 1");
  EXPECT_EQ(run({1, 3, 2, 1, 1, 1, 1, 0, 2, 1}),
            "conv_relu_pool: out_h is 2, but the convolution has 3 to pool by twos: the output must not be "
            "larger than "
            "the input, kernel, stride and padding give");
  EXPECT_NE(run({1, 2, 2, 1, 1, 5, 1, 0, 1, 1}), "");
  EXPECT_FALSE(conv_relu_pool_wgrad(reference_context(), {4, 2, 2, 1, 1, 1, 1, 0, 1, 1}, Shards{5}, &value,
                                    &value, &value, &bits, &value, &value)
                   .ok());
  Context bf16;
  bf16.precision = Precision::bf16;
  EXPECT_EQ(
      conv_relu_pool_forward(bf16, {1, 2, 2, 1, 1, 1, 1, 0, 1, 1}, &value, &value, &value, &value, &bits)
          .message(),
      "conv_relu_pool: the CPU computes in fp32 alone (precision bf16): use precision fp32, or a GPU");
  EXPECT_FALSE(
      conv_relu_pool_forward({}, {1, 2, 2, 1, 1, 1, 1, 0, 1, 1}, &value, &value, &value, &value, &bits).ok());
}

class ConvReluPoolGpuTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConvReluPoolGpuTest);
INSTANTIATE_TEST_SUITE_P(Machines, ConvReluPoolGpuTest, ::testing::ValuesIn(gpu_machines()), machine_name);

// The backend by itself: a workspace of that size, which the op asks for before, there is not.
TEST_P(ConvReluPoolGpuTest, RefusesMoreThanItsKernelsCount) {
  const Runner runner(GetParam());
  const auto dgrad = [&](const ConvReluPoolShape& s) {
    return BAUTA_PICK_BACKEND(runner.context(), conv_relu_pool_backend)
        .dgrad(runner.context(), s, nullptr, nullptr, nullptr, nullptr, nullptr)
        .message();
  };
  EXPECT_EQ(dgrad({1 << 15, 512, 512, 1, 1, 1, 1, 0, 256, 256}),
            "conv_relu_pool_dgrad: a batch of 32768 has more than 2^31 pixels: "
            "the CUDA kernels take smaller batches");
  for (const int channels : {33, 132}) {  // one by one, and four at a time
    EXPECT_EQ(dgrad({1 << 14, 256, 256, 1, channels, 1, 1, 0, 64, 64}),
              "conv_relu_pool: a batch of 16384 has more than 2^31 gradients: "
              "the CUDA kernels take smaller batches");
  }
}

}  // namespace
}  // namespace bauta::testing
