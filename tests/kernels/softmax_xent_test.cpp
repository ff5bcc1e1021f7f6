#include "kernels/softmax_xent/softmax_xent.h"

#include "kernels/softmax_xent/softmax_xent_backends.h"
#include "kernels/softmax_xent/softmax_xent_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr float kScale = 0.25F;

struct Problem {
  explicit Problem(const SoftmaxXentShape& shape)
      : s(shape),
        logits(random_floats(static_cast<std::size_t>(Index{s.batch} * s.classes), 1)),
        weights(random_floats(static_cast<std::size_t>(s.classes), 2)),
        labels(static_cast<std::size_t>(s.batch)),
        scale(1) {
    scale[0] = kScale;
    for (float& weight : weights.span()) weight += 1.5F;
    Rng rng(3, RngStream::init);
    for (std::int32_t& label : labels.span()) {
      label = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(s.classes)));
    }
  }

  SoftmaxXentShape s;
  Buffer<float> logits, weights;
  Buffer<std::int32_t> labels;
  Buffer<float> scale;
};

struct Outputs {
  explicit Outputs(const Problem& p)
      : losses(p.labels.size()),
        dlogits(p.logits.size()),
        probabilities(p.logits.size()),
        not_finite(1),
        predicted(p.labels.size()) {
    not_finite[0] = 0;
  }
  Guarded<float> losses, dlogits, probabilities, not_finite;
  Guarded<std::int32_t> predicted;
};

Outputs run(const Context& context, const Problem& p) {
  Outputs out(p);
  EXPECT_TRUE(succeeded(softmax_xent_loss(
      context, p.s, p.logits.data(), p.labels.data(), p.weights.data(), p.scale.data(),
      {out.losses.data(), out.dlogits.data(), out.predicted.data(), out.not_finite.data()})));
  EXPECT_TRUE(succeeded(softmax_forward(context, p.s, p.logits.data(), out.probabilities.data())));
  return out;
}

void expect_the_reference(const Machine& machine, const Problem& p) {
  const Outputs expected = run(reference_context(), p);
  const Outputs actual = run(Runner(machine).context(), p);
  expect_close(actual.losses, expected.losses, 1e-7);
  expect_close(actual.dlogits, expected.dlogits, 1e-7);
  expect_close(actual.probabilities, expected.probabilities, 1e-7);
  actual.predicted.check();
  for (std::size_t n = 0; n < p.labels.size(); ++n)
    EXPECT_EQ(actual.predicted[n], expected.predicted[n]) << n;
  EXPECT_EQ(actual.not_finite[0], expected.not_finite[0]);
}

class SoftmaxXentTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, SoftmaxXentTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(SoftmaxXentTest, EqualsTheReference) {
  for (const SoftmaxXentShape& s : kSoftmaxXentCases) {
    SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.classes);
    expect_the_reference(GetParam(), Problem(s));
  }
}

TEST_P(SoftmaxXentTest, EqualsTheReferenceAtExtremeLogits) {
  Problem p({65, 10});
  for (std::size_t i = 0; i < p.logits.size(); ++i) p.logits[i] = p.logits[i] > 0 ? 1e4F : -1e4F;
  expect_the_reference(GetParam(), p);
}

// What torch.nn.functional.cross_entropy gives.
TEST_P(SoftmaxXentTest, ExtremeLogitsGiveWhatPyTorchGives) {
  Problem p({4, 2});
  const float logits[] = {1e4F, -1e4F, -1e4F, 1e4F, kInf, 0, kNan, 0};
  const std::int32_t labels[] = {1, 1, 0, 0};
  std::memcpy(p.logits.data(), logits, sizeof logits);
  std::memcpy(p.labels.data(), labels, sizeof labels);
  p.weights[0] = p.weights[1] = 1;
  const Outputs out = run(Runner(GetParam()).context(), p);
  EXPECT_EQ(out.losses[0], 20000);
  EXPECT_EQ(out.losses[1], 0);
  EXPECT_TRUE(std::isnan(out.losses[2]));
  EXPECT_TRUE(std::isnan(out.losses[3]));
  EXPECT_EQ(out.dlogits[0], kScale);
  EXPECT_EQ(out.dlogits[1], -kScale);
  EXPECT_EQ(out.dlogits[2], 0);
  EXPECT_EQ(out.dlogits[3], 0);
  EXPECT_TRUE(std::isnan(out.dlogits[4]));
  EXPECT_TRUE(std::isnan(out.dlogits[6]));
}

TEST_P(SoftmaxXentTest, TheFirstAmongTheLargestIsPredicted) {
  Problem p({3, 40});
  for (float& logit : p.logits.span()) logit = 0;
  p.logits[7] = p.logits[39] = 2;
  p.logits[40 + 38] = 1;
  EXPECT_EQ(run(reference_context(), p).predicted[0], 7);
  EXPECT_EQ(run(reference_context(), p).predicted[1], 38);
  EXPECT_EQ(run(reference_context(), p).predicted[2], 0);
  expect_the_reference(GetParam(), p);
}

TEST_P(SoftmaxXentTest, ALossThatIsNotFiniteIsToldAndStaysTold) {
  const Runner runner(GetParam());
  Problem p({33, 2});
  EXPECT_EQ(run(runner.context(), p).not_finite[0], 0);
  p.logits[20] = kInf;
  Outputs out = run(runner.context(), p);
  EXPECT_EQ(out.not_finite[0], 1);
  p.logits[20] = 3e38F;
  p.logits[21] = -3e38F;
  p.labels[10] = 1;  // of these two, whose difference no float holds
  Outputs infinite = run(runner.context(), p);
  EXPECT_EQ(infinite.losses[10], kInf);
  EXPECT_EQ(infinite.not_finite[0], 1);
  p.logits[20] = p.logits[21] = 0;
  ASSERT_TRUE(succeeded(
      softmax_xent_loss(runner.context(), p.s, p.logits.data(), p.labels.data(), p.weights.data(), nullptr,
                        {.losses = out.losses.data(), .not_finite = out.not_finite.data()})));
  EXPECT_EQ(out.not_finite[0], 1);
}

TEST_P(SoftmaxXentTest, TheGradientMayBeLeftOut) {
  const Problem p({65, 10});
  const Runner runner(GetParam());
  const Outputs with = run(runner.context(), p);
  Guarded<float> losses(p.labels.size());
  ASSERT_TRUE(succeeded(softmax_xent_loss(runner.context(), p.s, p.logits.data(), p.labels.data(),
                                          p.weights.data(), nullptr, {losses.data()})));
  expect_same_bits(losses, with.losses);
}

TEST_P(SoftmaxXentTest, OneClassHasNeitherLossNorGradient) {
  const Outputs out = run(Runner(GetParam()).context(), Problem({5, 1}));
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_EQ(out.losses[n], 0);
    EXPECT_EQ(out.dlogits[n], 0);
    EXPECT_EQ(out.probabilities[n], 1);
  }
}

TEST_P(SoftmaxXentTest, SoftmaxWorksInPlace) {
  const Problem p({65, 10});
  const Runner runner(GetParam());
  const Outputs expected = run(runner.context(), p);
  Guarded<float> actual(p.logits.size());
  std::memcpy(actual.data(), p.logits.data(), p.logits.size() * sizeof(float));
  ASSERT_TRUE(succeeded(softmax_forward(runner.context(), p.s, actual.data(), actual.data())));
  expect_same_bits(actual, expected.probabilities);
}

// torch.nn.functional.cross_entropy with a weight: its terms, and the gradient of its weighted mean.
TEST(SoftmaxXentReference, EqualsPyTorch) {
  const SoftmaxXentShape s = {2, 3};
  const float logits[] = {0.5F, -1.25F, 2.0F, 3.0F, 0.125F, -2.5F};
  const float weights[] = {0.5F, 2.0F, 1.25F};
  const std::int32_t labels[] = {1, 2};
  const float scale = 1 / (2.0F + 1.25F);
  float losses[2];
  float dlogits[6];
  ASSERT_TRUE(succeeded(
      softmax_xent_loss(reference_context(), s, logits, labels, weights, &scale, {losses, dlogits})));
  const float expected_losses[] = {6.965243816375732F, 6.948428630828857F};
  const float expected_dlogits[] = {0.10881242156028748F, -0.5964758992195129F,  0.4876634478569031F,
                                    0.3626726567745209F,  0.020460590720176697F, -0.3831332325935364F};
  for (int n = 0; n < 2; ++n) EXPECT_FLOAT_EQ(losses[n], expected_losses[n]);
  for (int i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(dlogits[i], expected_dlogits[i]);
}

TEST(SoftmaxXentReference, GradientAgreesWithFiniteDifferences) {
  Problem p({7, 5});
  Buffer<float> dlosses(7);
  for (float& d : dlosses.span()) d = kScale;
  const auto forward = [&](const float* logits, float* losses) {
    ASSERT_TRUE(succeeded(softmax_xent_loss(reference_context(), p.s, logits, p.labels.data(),
                                            p.weights.data(), nullptr, {losses})));
  };
  const Outputs out = run(reference_context(), p);
  expect_gradient(forward, p.logits, dlosses, out.dlogits, 1e-4);
}

// Nobody reads a GPU's labels before the kernel does.
class SoftmaxXentGpuTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SoftmaxXentGpuTest);
INSTANTIATE_TEST_SUITE_P(Machines, SoftmaxXentGpuTest, ::testing::ValuesIn(gpu_machines()), machine_name);

TEST_P(SoftmaxXentGpuTest, ALabelThatThereIsNotGivesNan) {
  const Runner runner(GetParam());
  for (const std::int32_t label : {-1, 2}) {
    SCOPED_TRACE(label);
    Problem p({2, 2});
    p.labels[0] = label;
    Outputs out(p);
    ASSERT_TRUE(succeeded(
        BAUTA_PICK_BACKEND(runner.context(), softmax_xent_backend)
            .loss(runner.context(), p.s, p.logits.data(), p.labels.data(), p.weights.data(), p.scale.data(),
                  {out.losses.data(), out.dlogits.data(), out.predicted.data(), out.not_finite.data()})));
    EXPECT_TRUE(std::isnan(out.losses[0]));
    EXPECT_TRUE(std::isnan(out.dlogits[0]));
    EXPECT_TRUE(std::isnan(out.dlogits[1]));
    EXPECT_EQ(out.not_finite[0], 1);
    EXPECT_TRUE(std::isfinite(out.losses[1]));
    EXPECT_TRUE(std::isfinite(out.dlogits[2]));
    EXPECT_TRUE(std::isfinite(out.dlogits[3]));
  }
}

TEST(SoftmaxXentTest, RefusesShapesAndLabelsThatMakeNoSense) {
  const float logits[] = {1, 2};
  float out[2] = {};
  for (const std::int32_t label : {-1, 2}) {
    EXPECT_EQ(softmax_xent_loss({}, {1, 2}, logits, &label, logits, nullptr, {out}).message(),
              "softmax_xent: label 0 is " + std::to_string(label) + ": labels count from 0 to 1");
  }
  EXPECT_FALSE(softmax_forward({}, {1, 0}, logits, out).ok());
}

}  // namespace
}  // namespace bauta::testing
