#include "kernels/linear/linear.h"

#include "kernels/linear/linear_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

struct Problem {
  explicit Problem(const LinearShape& shape)
      : s(shape),
        shards{shape.batch},
        x(random_floats(size(s.batch, s.in_features), 1)),
        w(random_floats(size(s.out_features, s.in_features), 2)),
        bias(random_floats(size(1, s.out_features), 3)),
        dy(random_floats(size(s.batch, s.out_features), 4)) {}

  static std::size_t size(int rows, int columns) { return static_cast<std::size_t>(Index{rows} * columns); }

  LinearShape s;
  Shards shards;
  Buffer<float> x, w, bias, dy;
};

struct Outputs {
  explicit Outputs(const Problem& p) : y(p.dy.size()), dx(p.x.size()), dw(p.w.size()), dbias(p.bias.size()) {}
  Guarded<float> y, dx, dw, dbias;
};

Runner runner_for(const Machine& machine, const LinearShape& s) {
  Context context = context_on(machine.backend);
  context.precision = machine.precision;
  context.vendor = machine.vendor;
  return Runner(machine, largest_workspace([&](Pass pass) { return linear_workspace(context, s, pass); }));
}

Outputs run(const Context& context, const Problem& p) {
  Outputs out(p);
  const auto of = [&](Pass pass) { return with_workspace(context, linear_workspace(context, p.s, pass)); };
  EXPECT_TRUE(
      linear_forward(of(Pass::forward), p.s, p.x.data(), p.w.data(), p.bias.data(), out.y.data()).ok());
  EXPECT_TRUE(linear_dgrad(of(Pass::dgrad), p.s, p.dy.data(), p.w.data(), out.dx.data()).ok());
  EXPECT_TRUE(
      linear_wgrad(of(Pass::wgrad), p.s, p.shards, p.x.data(), p.dy.data(), out.dw.data(), out.dbias.data())
          .ok());
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
  const Outputs one = run(Runner({"", GetParam().isa, 1}).context(), p);
  const Outputs many = run(Runner({"", GetParam().isa, 8}).context(), p);
  expect_same_bits(one.y, many.y);
  expect_same_bits(one.dx, many.dx);
  expect_same_bits(one.dw, many.dw);
  expect_same_bits(one.dbias, many.dbias);
}

// Ranks hold subtrees: the sum of two halves' gradients is the whole's, bit for bit.
TEST_P(LinearTest, GradientsOfTwoHalvesAddUpToTheWhole) {
  const Problem p({13, 40, 26});
  const Runner runner(GetParam());
  const Outputs whole = run(runner.context(), p);
  Outputs sum(p);
  for (int half = 0; half < 2; ++half) {
    const Shards shards{13, half * 4, 4};
    const Index begin = shards.global_begin(shards.first);
    const LinearShape s{shards.batch(), p.s.in_features, p.s.out_features};
    Outputs part(p);
    ASSERT_TRUE(linear_wgrad(runner.context(), s, shards, p.x.data() + begin * s.in_features,
                             p.dy.data() + begin * s.out_features, part.dw.data(), part.dbias.data())
                    .ok());
    for (std::size_t i = 0; i < sum.dw.size(); ++i)
      sum.dw[i] = half == 0 ? part.dw[i] : sum.dw[i] + part.dw[i];
    for (std::size_t i = 0; i < sum.dbias.size(); ++i)
      sum.dbias[i] = half == 0 ? part.dbias[i] : sum.dbias[i] + part.dbias[i];
  }
  expect_same_bits(sum.dw, whole.dw);
  expect_same_bits(sum.dbias, whole.dbias);
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
// outputs are few, our kernels round none but dgrad's.
TEST_P(LinearBf16Test, EqualsTheReferenceOnRoundedFactors) {
  std::vector<LinearShape> cases = gpu_cases(GetParam().backend);
  cases.push_back({150, 72, 136});  // a batch of several tiles
  cases.push_back({5, 1283, 33});   // blocks that share sums of single floats, unevenly
  cases.push_back({600, 40, 36});   // or those of a batch
  for (const LinearShape& s : cases) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_features << "x" << s.out_features);
    const Problem p(s);
    Problem rounded(s);
    rounded.x = rounded_to_bf16(p.x);
    rounded.w = rounded_to_bf16(p.w);
    rounded.dy = rounded_to_bf16(p.dy);
    const bool few = s.out_features <= kFewLinearOutputs && GetParam().vendor == nullptr;
    Outputs expected = run(reference_context(), few ? p : rounded);
    ASSERT_TRUE(
        linear_dgrad(reference_context(), s, rounded.dy.data(), rounded.w.data(), expected.dx.data()).ok());
    ASSERT_TRUE(linear_wgrad(reference_context(), s, p.shards, p.x.data(), p.dy.data(),
                             Guarded<float>(p.w.size()).data(), expected.dbias.data())
                    .ok());
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
  EXPECT_EQ(
      linear_dgrad(Runner(GetParam(), 64).context(), p.s, p.dy.data(), p.w.data(), out.dx.data()).message(),
      "linear: the workspace holds 64 bytes, 192 are needed: "
      "give the context what the op's workspace function asks for");
}

TEST(LinearReference, GradientsAgreeWithFiniteDifferences) {
  Problem p({3, 5, 7});
  const Context context = reference_context();
  const Outputs out = run(context, p);
  const auto forward = [&](const float* x, const float* w, const float* bias, float* y) {
    ASSERT_TRUE(linear_forward(context, p.s, x, w, bias, y).ok());
  };
  expect_gradients(forward, p, out, 1e-4);
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
