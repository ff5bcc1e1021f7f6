#include "kernels/conv2d/conv2d.h"

#include <array>

#include "kernels/conv2d/conv2d_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr Conv2dShape kUneven = {13, 6, 6, 9, 8, 3, 1, 0, 4, 4};

struct Problem {
  explicit Problem(const Conv2dShape& shape)
      : s(shape),
        shards{shape.batch},
        x(random_floats(product({s.batch, s.in_h, s.in_w, s.in_channels}), 1)),
        w(random_floats(product({s.kernel, s.kernel, s.in_channels, s.out_channels}), 2)),
        bias(random_floats(product({s.out_channels}), 3)),
        dy(random_floats(product({s.batch, s.out_h, s.out_w, s.out_channels}), 4)) {}

  Conv2dShape s;
  Shards shards;
  Buffer<float> x, w, bias, dy;
};

struct Outputs {
  explicit Outputs(const Problem& p) : y(p.dy.size()), dx(p.x.size()), dw(p.w.size()), dbias(p.bias.size()) {}
  Guarded<float> y, dx, dw, dbias;
};

Runner runner_for(const Machine& machine, const Conv2dShape& s) {
  return Runner(machine, s, conv2d_workspace);
}

Outputs run(const Context& context, const Problem& p) {
  Outputs out(p);
  const auto of = [&](Pass pass) { return with_workspace(context, conv2d_workspace(context, p.s, pass)); };
  EXPECT_TRUE(
      succeeded(conv2d_forward(of(Pass::forward), p.s, p.x.data(), p.w.data(), p.bias.data(), out.y.data())));
  EXPECT_TRUE(succeeded(conv2d_dgrad(of(Pass::dgrad), p.s, p.dy.data(), p.w.data(), out.dx.data())));
  EXPECT_TRUE(succeeded(conv2d_wgrad(of(Pass::wgrad), p.s, p.shards, p.x.data(), p.dy.data(), out.dw.data(),
                                     out.dbias.data())));
  return out;
}

Index multiply_adds(const Conv2dShape& s) {
  return Index{s.batch} * s.out_h * s.out_w * s.out_channels * s.kernel * s.kernel * s.in_channels;
}

/// The reference's outputs for every case, computed once for all machines.
const std::vector<Outputs>& reference_outputs() {
  static const std::vector<Outputs> outputs = [] {
    std::vector<Outputs> all;
    all.reserve(std::size(kConv2dCases));
    for (const Conv2dShape& s : kConv2dCases) all.push_back(run(reference_context(), Problem(s)));
    return all;
  }();
  return outputs;
}

class Conv2dTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, Conv2dTest, ::testing::ValuesIn(machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Gpus, Conv2dTest, ::testing::ValuesIn(gpu_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, Conv2dTest, ::testing::ValuesIn(vendor_machines()), machine_name);

void expect_workspaces_to_grow(const Machine& machine) {
  for (Conv2dShape s : kConv2dCases) {
    expect_workspaces_to_grow_with_the_batch(machine, [&](const Context& context, int batch, Pass pass) {
      s.batch = batch;
      return conv2d_workspace(context, s, pass);
    });
  }
}

TEST_P(Conv2dTest, AWorkspaceForABatchIsEnoughForASmallerOne) { expect_workspaces_to_grow(GetParam()); }

void expect_equal(const Outputs& actual, const Outputs& expected, double tolerance) {
  expect_close(actual.y, expected.y, tolerance);
  expect_close(actual.dx, expected.dx, tolerance);
  expect_close(actual.dw, expected.dw, 2 * tolerance);
  expect_close(actual.dbias, expected.dbias, 2 * tolerance);
}

std::string words(const Conv2dShape& s) {
  return ::testing::PrintToString(
      std::array{s.in_h, s.in_w, s.in_channels, s.out_h, s.out_w, s.out_channels});
}

TEST_P(Conv2dTest, EqualsTheReference) {
  for (std::size_t i = 0; i < kConv2dCases.size(); ++i) {
    const Conv2dShape& s = kConv2dCases.at(i);
    if (GetParam().backend == Backend::simt && multiply_adds(s) > 40'000'000) continue;  // seconds
    SCOPED_TRACE(words(s));
    expect_equal(run(runner_for(GetParam(), s).context(), Problem(s)), reference_outputs()[i], 2e-6);
  }
}

TEST_P(Conv2dTest, BitsDoNotDependOnThreads) {
  const Problem p(kUneven);
  const Outputs one = run(runner_for(with_threads(GetParam(), 1), p.s).context(), p);
  const Outputs many = run(runner_for(with_threads(GetParam(), 8), p.s).context(), p);
  expect_same_bits(one.y, many.y);
  expect_same_bits(one.dx, many.dx);
  expect_same_bits(one.dw, many.dw);
  expect_same_bits(one.dbias, many.dbias);
}

TEST_P(Conv2dTest, GradientsOfTwoHalvesAddUpToTheWhole) {
  const Problem p(kUneven);
  const Runner runner = runner_for(GetParam(), p.s);
  expect_halves_to_add_up(GetParam(), p.s.batch, [&](const Shards& shards) {
    const int begin = shards.global_begin(shards.first);
    Conv2dShape s = p.s;
    s.batch = shards.batch();
    Outputs out(p);
    EXPECT_TRUE(succeeded(conv2d_wgrad(
        runner.context(), s, shards, p.x.data() + product({begin, s.in_h, s.in_w, s.in_channels}),
        p.dy.data() + product({begin, s.out_h, s.out_w, s.out_channels}), out.dw.data(), out.dbias.data())));
    return out;
  });
}

TEST_P(Conv2dTest, GradientsOfNothingAreZero) {
  Problem p(kUneven);
  for (float& g : p.dy.span()) g = 0;
  const Outputs out = run(runner_for(GetParam(), p.s).context(), p);
  for (std::size_t i = 0; i < out.dx.size(); ++i) ASSERT_EQ(out.dx[i], 0) << i;
  for (std::size_t i = 0; i < out.dw.size(); ++i) ASSERT_EQ(out.dw[i], 0) << i;
  for (std::size_t i = 0; i < out.dbias.size(); ++i) ASSERT_EQ(out.dbias[i], 0) << i;
}

// One hot gradient sends a kernel to dx, a patch of x to dw and itself to dbias, and nothing elsewhere.
TEST_P(Conv2dTest, OneHotGradientGivesAKernelAndAPatch) {
  Problem p({1, 10, 12, 4, 6, 4, 3, 2, 4, 5});
  for (float& g : p.dy.span()) g = 0;
  p.dy[(2 * 5 + 3) * 6 + 1] = 1;  // p = 2, q = 3, o = 1
  const Outputs out = run(runner_for(GetParam(), p.s).context(), p);
  std::vector<float> dx(out.dx.size()), dw(out.dw.size()), dbias = {0, 1, 0, 0, 0, 0};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t t = 0; t < 4; ++t) {
      for (std::size_t c = 0; c < 4; ++c) {
        const std::size_t in = ((2 * 3 - 2 + r) * 12 + 3 * 3 - 2 + t) * 4 + c;
        const std::size_t of_w = ((r * 4 + t) * 4 + c) * 6 + 1;
        dx[in] = p.w[of_w];
        dw[of_w] = p.x[in];
      }
    }
  }
  for (std::size_t i = 0; i < dx.size(); ++i) ASSERT_EQ(out.dx[i], dx[i]) << i;
  for (std::size_t i = 0; i < dw.size(); ++i) ASSERT_EQ(out.dw[i], dw[i]) << i;
  for (std::size_t i = 0; i < dbias.size(); ++i) ASSERT_EQ(out.dbias[i], dbias[i]) << i;
}

class Conv2dBf16Test : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dBf16Test);
INSTANTIATE_TEST_SUITE_P(Machines, Conv2dBf16Test, ::testing::ValuesIn(bf16_patch_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, Conv2dBf16Test, ::testing::ValuesIn(vendor_machines(Precision::bf16)),
                         machine_name);

// What is summed are fp32 products of the rounded factors, without further loss. dbias is a row of wgrad's
// product.
void expect_reference_on_rounded_factors(const Machine& machine, const Conv2dShape& s) {
  SCOPED_TRACE(words(s));
  const Problem p(s);
  expect_equal(run(runner_for(machine, s).context(), p), run(reference_context(), with_rounded_factors(p)),
               bf16_convolution_tolerance(machine));
}

TEST_P(Conv2dBf16Test, EqualsTheReferenceOnRoundedFactors) {
  for (const Conv2dShape& s : kConv2dCases) {
    if (GetParam().backend == Backend::simt && multiply_adds(s) > 40'000'000) continue;  // seconds
    if (!limits_matter(GetParam(), s.kernel, s.stride)) continue;
    expect_reference_on_rounded_factors(GetParam(), s);
  }
}

TEST_P(Conv2dBf16Test, AWorkspaceForABatchIsEnoughForASmallerOne) { expect_workspaces_to_grow(GetParam()); }

// 6 patches an image: more than forward and wgrad have blocks, and than dgrad, over 32 channels, has groups
// of threads.
TEST_P(Conv2dBf16Test, ABlockComputesOnePatchAfterAnotherOfFewChannels) {
  expect_reference_on_rounded_factors(GetParam(), {89, 23, 23, 4, 32, 3, 1, 1, 23, 23});
}

// More than forward has groups of threads, and three times as many as wgrad has blocks.
TEST_P(Conv2dBf16Test, ABlockComputesOnePatchAfterAnotherOf32Channels) {
  expect_reference_on_rounded_factors(GetParam(), {67, 23, 23, 32, 4, 3, 1, 1, 23, 23});
}

TEST(Conv2dReference, GradientsAgreeWithFiniteDifferences) {
  for (const Conv2dShape& s : {Conv2dShape{3, 7, 9, 5, 7, 3, 1, 1, 7, 9}, {1, 10, 12, 4, 6, 4, 3, 2, 4, 5}}) {
    Problem p(s);
    const Context context = reference_context();
    const Outputs out = run(context, p);
    const auto forward = [&](const float* x, const float* w, const float* bias, float* y) {
      ASSERT_TRUE(succeeded(conv2d_forward(context, p.s, x, w, bias, y)));
    };
    expect_gradients(forward, p, out, 1e-4);
  }
}

TEST(Conv2dTest, RefusesShapesShardsAndWorkspacesThatMakeNoSense) {
  float value = 0;
  const auto error = [&](const Conv2dShape& s) {
    return conv2d_forward(reference_context(), s, &value, &value, &value, &value).message();
  };
  EXPECT_EQ(error({1, 1, 1, 1, 1, 1, 1, 0, 1, 1}), "");
  EXPECT_EQ(error({1, 4, 4, 1, 1, 3, 0, 0, 1, 1}),
            "conv2d: stride is 0: every size of a shape must be at least 1");
  EXPECT_EQ(error({1, 4, 4, 1, 1, 3, 1, 3, 1, 1}),
            "conv2d: pad is 3: it must be at least 0 and less than the kernel's 3");
  const char* beyond =
      "the last window would reach beyond the input, padding included: "
      "it can be at most (in - window) / stride + 1";
  EXPECT_EQ(error({1, 4, 4, 1, 1, 3, 1, 0, 3, 2}), std::string("conv2d: out_h is 3: ") + beyond);
  EXPECT_EQ(error({1, 4, 4, 1, 1, 3, 1, 1, 4, 5}), std::string("conv2d: out_w is 5: ") + beyond);
  EXPECT_FALSE(conv2d_wgrad(reference_context(), {4, 1, 1, 1, 1, 1, 1, 0, 1, 1}, Shards{5}, &value, &value,
                            &value, &value)
                   .ok());
  // No subtree of two begins at the second shard.
  EXPECT_FALSE(conv2d_wgrad(reference_context(), {2, 1, 1, 1, 1, 1, 1, 0, 1, 1}, Shards{8, 1, 2}, &value,
                            &value, &value, &value)
                   .ok());
  Context bf16;
  bf16.precision = Precision::bf16;
  EXPECT_EQ(conv2d_dgrad(bf16, {1, 1, 1, 1, 1, 1, 1, 0, 1, 1}, &value, &value, &value).message(),
            "conv2d: the CPU computes in fp32 alone (precision bf16): use precision fp32, or a GPU");
  EXPECT_FALSE(
      conv2d_dgrad({}, {1, 1, 1, 1, 1, 1, 1, 0, 1, 1}, &value, &value, &value).ok());  // no workspace
}

}  // namespace
}  // namespace bauta::testing
