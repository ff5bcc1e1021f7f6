#include "kernels/linear/linear.h"

#include "kernels/linear/linear_cases.h"
#include "kernels/relu/relu.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

struct Problem {
  explicit Problem(const LinearShape& shape)
      : s(shape),
        shards{shape.batch},
        x(random_floats(product({s.batch, s.in_features}), 1)),
        w(random_floats(product({s.out_features, s.in_features}), 2)),
        bias(random_floats(product({s.out_features}), 3)),
        dy(random_floats(product({s.batch, s.out_features}), 4)) {}

  LinearShape s;
  Shards shards;
  Buffer<float> x, w, bias, dy;
};

struct Outputs {
  explicit Outputs(const Problem& p) : y(p.dy.size()), dx(p.x.size()), dw(p.w.size()), dbias(p.bias.size()) {}
  Guarded<float> y, dx, dw, dbias;
};

Runner runner_for(const Machine& machine, const LinearShape& s) {
  return Runner(machine, s, linear_workspace);
}

Outputs run(const Context& context, const Problem& p) {
  Outputs out(p);
  const auto of = [&](Pass pass) { return with_workspace(context, linear_workspace(context, p.s, pass)); };
  EXPECT_TRUE(
      succeeded(linear_forward(of(Pass::forward), p.s, p.x.data(), p.w.data(), p.bias.data(), out.y.data())));
  EXPECT_TRUE(succeeded(linear_dgrad(of(Pass::dgrad), p.s, p.dy.data(), p.w.data(),
                                     p.s.relu_before ? p.x.data() : nullptr, out.dx.data())));
  EXPECT_TRUE(succeeded(linear_wgrad(of(Pass::wgrad), p.s, p.shards, p.x.data(), p.dy.data(), out.dw.data(),
                                     out.dbias.data())));
  return out;
}

void expect_equal(const Outputs& actual, const Outputs& expected, double tolerance = 2e-6) {
  expect_close(actual.y, expected.y, tolerance);
  expect_close(actual.dx, expected.dx, tolerance);
  expect_close(actual.dw, expected.dw, tolerance);
  expect_close(actual.dbias, expected.dbias, tolerance);
}

class LinearTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, LinearTest, ::testing::ValuesIn(machines()), machine_name);

TEST_P(LinearTest, EqualsTheReference) {
  for (const LinearShape& s : kLinearCases) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_features << "x" << s.out_features);
    const Problem p(s);
    expect_equal(run(Runner(GetParam()).context(), p), run(reference_context(), p));
  }
}

TEST_P(LinearTest, BitsDoNotDependOnThreads) {
  const Problem p({13, 40, 26});
  const Outputs one = run(Runner(with_threads(GetParam(), 1)).context(), p);
  const Outputs many = run(Runner(with_threads(GetParam(), 8)).context(), p);
  expect_same_bits(one.y, many.y);
  expect_same_bits(one.dx, many.dx);
  expect_same_bits(one.dw, many.dw);
  expect_same_bits(one.dbias, many.dbias);
}

TEST_P(LinearTest, GradientsOfTwoHalvesAddUpToTheWhole) {
  const Problem p({13, 40, 26});
  const Runner runner(GetParam());
  expect_halves_to_add_up(GetParam(), p.s.batch, [&](const Shards& shards) {
    const Index begin = shards.global_begin(shards.first);
    const LinearShape s{shards.batch(), p.s.in_features, p.s.out_features};
    Outputs out(p);
    EXPECT_TRUE(
        succeeded(linear_wgrad(runner.context(), s, shards, p.x.data() + begin * s.in_features,
                               p.dy.data() + begin * s.out_features, out.dw.data(), out.dbias.data())));
    return out;
  });
}

class LinearGpuTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LinearGpuTest);
INSTANTIATE_TEST_SUITE_P(Machines, LinearGpuTest, ::testing::ValuesIn(gpu_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, LinearGpuTest, ::testing::ValuesIn(vendor_machines()), machine_name);

// Under simt, which needs seconds for it, the study's layer comes but once, with few samples.
std::vector<LinearShape> gpu_cases(Backend backend) {
  std::vector<LinearShape> cases;
  for (LinearShape s : kLinearCases) {
    if (backend == Backend::simt && Index{s.in_features} * s.out_features > 1'000'000) {
      if (s.batch == 1) continue;
      s.batch = 8;
    }
    cases.push_back(s);
  }
  return cases;
}

TEST_P(LinearGpuTest, EqualsTheReference) {
  for (const LinearShape& s : gpu_cases(GetParam().backend)) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_features << "x" << s.out_features);
    const Problem p(s);
    expect_equal(run(runner_for(GetParam(), s).context(), p), run(reference_context(), p));
  }
}

TEST_P(LinearGpuTest, BitsDoNotDependOnThreads) {
  const Problem p({13, 40, 26});
  const Outputs one = run(runner_for(with_threads(GetParam(), 1), p.s).context(), p);
  const Outputs many = run(runner_for(with_threads(GetParam(), 8), p.s).context(), p);
  expect_same_bits(one.y, many.y);
  expect_same_bits(one.dx, many.dx);
  expect_same_bits(one.dw, many.dw);
  expect_same_bits(one.dbias, many.dbias);
}

class LinearBf16Test : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LinearBf16Test);
INSTANTIATE_TEST_SUITE_P(Machines, LinearBf16Test, ::testing::ValuesIn(bf16_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, LinearBf16Test, ::testing::ValuesIn(vendor_machines(Precision::bf16)),
                         machine_name);

TEST_P(LinearBf16Test, AWorkspaceForABatchIsEnoughForASmallerOne) {
  for (LinearShape s : kLinearCases) {
    expect_workspaces_to_grow_with_the_batch(GetParam(), [&](const Context& context, int batch, Pass pass) {
      s.batch = batch;
      return linear_workspace(context, s, pass);
    });
  }
}

// What is summed are fp32 products of the rounded factors, without further loss; dbias has no factors. Where
// outputs are few, our kernels round none.
TEST_P(LinearBf16Test, EqualsTheReferenceOnRoundedFactors) {
  std::vector<LinearShape> cases = gpu_cases(GetParam().backend);
  cases.push_back({150, 72, 136, true, true});  // a batch of several tiles
  cases.push_back({5, 1283, 33, true, true});   // blocks that share sums of single floats, unevenly
  cases.push_back({600, 40, 36});               // or those of a batch
  for (const LinearShape& s : cases) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_features << "x" << s.out_features);
    const Problem p(s);
    const bool few = s.out_features <= kFewLinearOutputs && GetParam().vendor == nullptr;
    Outputs expected = run(reference_context(), few ? Problem(s) : with_rounded_factors(p));
    ASSERT_TRUE(succeeded(linear_wgrad(reference_context(), s, p.shards, p.x.data(), p.dy.data(),
                                       Guarded<float>(p.w.size()).data(), expected.dbias.data())));
    expect_equal(run(runner_for(GetParam(), s).context(), p), expected, kTensorCoreTolerance);
  }
}

// Rounded operands need one where a vendor multiplies.
class LinearVendorTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LinearVendorTest);
INSTANTIATE_TEST_SUITE_P(Vendors, LinearVendorTest, ::testing::ValuesIn(vendor_machines(Precision::bf16)),
                         machine_name);

TEST_P(LinearVendorTest, RefusesAWorkspaceThatIsTooSmall) {
  const Problem p({3, 5, 7});
  Outputs out(p);
  const Runner small(GetParam(), 64);
  EXPECT_EQ(linear_dgrad(small.context(), p.s, p.dy.data(), p.w.data(), p.x.data(), out.dx.data()).message(),
            "linear: the workspace holds 64 bytes, 192 are needed: "
            "give the context what the op's workspace function asks for");
}

// The layer alone and then a ReLU, or the layer that takes it on.
class LinearReluTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, LinearReluTest, ::testing::ValuesIn(all_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, LinearReluTest, ::testing::ValuesIn(vendor_machines()), machine_name);

void expect_relu_after(const Machine& machine, LinearShape s) {
  Problem p(s);
  p.x[0] = kNan;  // a row of y, which a ReLU lets pass
  const Runner runner = runner_for(machine, s);
  Guarded<float> y(p.dy.size()), expected(p.dy.size());
  ASSERT_TRUE(
      succeeded(linear_forward(runner.context(), s, p.x.data(), p.w.data(), p.bias.data(), expected.data())));
  ASSERT_TRUE(
      succeeded(relu_forward(runner.context(), std::ssize(p.dy.span()), expected.data(), expected.data())));
  s.relu_after = true;
  ASSERT_TRUE(
      succeeded(linear_forward(runner.context(), s, p.x.data(), p.w.data(), p.bias.data(), y.data())));
  y.check();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool nan = i < static_cast<std::size_t>(s.out_features);
    ASSERT_TRUE(nan ? std::isnan(y[i]) : y[i] == expected[i]) << i;
  }
}

void expect_relu_before(const Machine& machine, LinearShape s) {
  Problem p(s);
  const float special[] = {0, -0.0F, kNan, 1e-45F, -1e-45F, kInf, -kInf};
  for (std::size_t i = 0; i < p.x.size(); i += 3) p.x[i] = special[i % std::size(special)];
  const Runner runner = runner_for(machine, s);
  Guarded<float> dx(p.x.size()), expected(p.x.size());
  ASSERT_TRUE(
      succeeded(linear_dgrad(runner.context(), s, p.dy.data(), p.w.data(), p.x.data(), expected.data())));
  ASSERT_TRUE(succeeded(
      relu_dgrad(runner.context(), std::ssize(p.x.span()), expected.data(), p.x.data(), expected.data())));
  s.relu_before = true;
  ASSERT_TRUE(succeeded(linear_dgrad(runner.context(), s, p.dy.data(), p.w.data(), p.x.data(), dx.data())));
  expect_same_bits(dx, expected);
}

TEST_P(LinearReluTest, IsWhatALayerAndAReluAreOneAfterTheOther) {
  for (const LinearShape& s : {LinearShape{3, 5, 7}, {13, 40, 26}, {9, 67, 2}, {5, 36, 8}}) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_features << "x" << s.out_features);
    expect_relu_after(GetParam(), s);
    expect_relu_before(GetParam(), s);
  }
}

TEST(LinearReference, GradientsAgreeWithFiniteDifferences) {
  Problem p({3, 5, 7});
  const Context context = reference_context();
  const Outputs out = run(context, p);
  const auto forward = [&](const float* x, const float* w, const float* bias, float* y) {
    ASSERT_TRUE(succeeded(linear_forward(context, p.s, x, w, bias, y)));
  };
  expect_gradients(forward, p, out, 1e-4);
}

// Two layers with a ReLU between them, which the first takes on forwards and the second backwards.
TEST(LinearReference, GradientsThroughTheReluBetweenTwoLayersAgreeWithFiniteDifferences) {
  const Context context = reference_context();
  const Problem first({4, 6, 5, false, true});
  const Problem second({4, 5, 3, true, false});
  std::vector<float> between(first.dy.size()), gradient(first.dy.size());
  const auto forward = [&](const float* x, float* y) {
    ASSERT_TRUE(
        succeeded(linear_forward(context, first.s, x, first.w.data(), first.bias.data(), between.data())));
    ASSERT_TRUE(
        succeeded(linear_forward(context, second.s, between.data(), second.w.data(), second.bias.data(), y)));
  };
  std::vector<float> y(second.dy.size());
  forward(first.x.data(), y.data());
  EXPECT_TRUE(std::ranges::any_of(between, [](float value) { return value == 0; }));
  Guarded<float> dx(first.x.size());
  ASSERT_TRUE(succeeded(
      linear_dgrad(context, second.s, second.dy.data(), second.w.data(), between.data(), gradient.data())));
  ASSERT_TRUE(
      succeeded(linear_dgrad(context, first.s, gradient.data(), first.w.data(), first.x.data(), dx.data())));
  Buffer<float> x(first.x.size());
  std::ranges::copy(first.x.span(), x.data());
  expect_gradient(forward, x, second.dy, dx, 1e-3, 1.0F / 4096);
}

TEST(LinearTest, RefusesShapesAndShardsThatMakeNoSense) {
  float value = 0;
  EXPECT_EQ(linear_forward({}, {0, 1, 1}, &value, &value, &value, &value).message(),
            "linear: batch is 0: every size of a shape must be at least 1");
  Context bf16;
  bf16.precision = Precision::bf16;
  EXPECT_EQ(linear_forward(bf16, {1, 1, 1}, &value, &value, &value, &value).message(),
            "linear: the CPU computes in fp32 alone (precision bf16): use precision fp32, or a GPU");
  EXPECT_FALSE(linear_wgrad({}, {4, 1, 1}, Shards{5}, &value, &value, &value, &value).ok());
  EXPECT_FALSE(linear_wgrad({}, {4, 1, 1}, Shards{4, 0, 3}, &value, &value, &value, &value).ok());
}

}  // namespace
}  // namespace bauta::testing
