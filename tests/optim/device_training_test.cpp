// The whole engine on the devices that CUDA kernels run on: the numbers are the CPU's.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/data/whole_batch.h"
#include "optim/checkpoint.h"
#include "optim/predict.h"
#include "optim/training_step.h"
#include "tests/engine/temporary_folder.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr int kBatch = 6;
constexpr int kSteps = 8;
constexpr int kSide = 12;

Model convolutional_network() {
  Model model("small", {kSide, kSide, 3}, {"a", "b", "c"});
  model.conv2d("one", 8, 3, 1, 1).relu().maxpool(2).conv2d("two", 12, 3, 1, 1).relu().linear("three", 3);
  return model;
}

Model network() {
  Model model("small", {kSide, kSide, 3}, {"a", "b", "c"});
  model.maxpool(2).linear("one", 20).relu().linear("two", 3);
  return model;
}

/// Random images of three classes.
Dataset pictures() {
  Dataset::Parts parts;
  parts.size = {kSide, kSide, 3};
  parts.classes = {"a", "b", "c"};
  auto pixels = std::make_shared<std::vector<std::uint8_t>>();
  Rng rng(1, RngStream::render);
  for (int i = 0; i < kBatch; ++i) {
    for (std::size_t k = 0; k < parts.size.bytes(); ++k)
      pixels->push_back(static_cast<std::uint8_t>(rng.below(256)));
    parts.labels.push_back(i % 3);
    parts.names.push_back("picture " + std::to_string(i));
  }
  parts.pixels = *pixels;
  parts.storage = pixels;
  return Dataset(std::move(parts));
}

/// A network in training on one device.
struct Training {
  explicit Training(const Machine& machine, const OptimizerOptions& options = {},
                    const Model& model = network())
      : runner(machine),
        step(make_step(runner.context(), options, model)),
        batch(std::move(*WholeBatch::create(runner.context(), data.all_pixels(),
                                            {data.labels().begin(), data.labels().end()}))) {}

  static TrainingStep make_step(const Context& context, const OptimizerOptions& options, const Model& model) {
    auto graph = Graph::create(context, model, kBatch, GraphMode::training);
    std::vector<float> values(graph->parameter_values().size());
    initialize(graph->parameters(), 1, values);
    EXPECT_TRUE(copy_to_device<float>(context, values, graph->parameter_values()).ok());
    auto optimizer = make_optimizer(context, options, values.size());
    return std::move(*TrainingStep::create(std::move(*graph), std::move(*optimizer), {1.0F, 2.0F, 0.5F}));
  }

  /// Trains on all pictures; the last step's loss.
  double run(int steps, float lr) {
    double loss = std::nan("");
    for (int i = 0; i < steps; ++i) {
      const auto result = step.run(batch.get(), ++steps_done, lr);
      EXPECT_TRUE(result.ok()) << result.status().message();
      if (result.ok()) loss = result->mean();
    }
    return loss;
  }

  Dataset data = pictures();
  Runner runner;
  TrainingStep step;
  WholeBatch batch;
  int steps_done = 0;
};

const Machine kCpu = {"cpu", Isa::portable, 1};

class DeviceTrainingTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceTrainingTest);
INSTANTIATE_TEST_SUITE_P(Machines, DeviceTrainingTest, ::testing::ValuesIn(gpu_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, DeviceTrainingTest, ::testing::ValuesIn(vendor_machines()), machine_name);

TEST_P(DeviceTrainingTest, TheLossesAreTheCpus) {
  for (const OptimizerKind kind : {OptimizerKind::adam, OptimizerKind::sgd}) {
    Training expected(kCpu, {.kind = kind});
    Training actual(GetParam(), {.kind = kind});
    for (int i = 0; i < kSteps; ++i) {
      const double loss = expected.run(1, 1e-5F);
      EXPECT_NEAR(actual.run(1, 1e-5F), loss, 1e-5 * loss) << "step " << i + 1;
    }
  }
}

// Its wgrad has no dgrads to go on beside. The second time, a slot's step is recorded.
TEST_P(DeviceTrainingTest, ANetworkOfOneLayerIsRecordedToo) {
  Model model("one", {kSide, kSide, 3}, {"a", "b", "c"});
  model.linear("only", 3);
  Training expected(kCpu, {}, model);
  Training actual(GetParam(), {}, model);
  constexpr int kAllSlotsTwice = 2 * TrainingStep::kAhead;
  const double loss = expected.run(kAllSlotsTwice + 1, 1e-5F);
  EXPECT_NEAR(actual.run(kAllSlotsTwice + 1, 1e-5F), loss, 1e-5 * loss);
}

TEST_P(DeviceTrainingTest, PredictionsAreTheCpus) {
  Training expected(kCpu);
  Training actual(GetParam());
  const std::vector<int> samples = {5, 0, 3, 1, 2, 4};
  const std::vector<float> weights = {1, 2, 0.5F};
  const auto a = predict(expected.step.graph(), expected.data, samples, weights, {});
  const auto b = predict(actual.step.graph(), actual.data, samples, weights, {});
  ASSERT_TRUE(a.ok() && b.ok()) << b.status().message();
  EXPECT_EQ(a->predicted, b->predicted);
  EXPECT_NEAR(a->loss.mean(), b->loss.mean(), 1e-5 * a->loss.mean());
  for (std::size_t i = 0; i < a->probabilities.size(); ++i) {
    EXPECT_NEAR(a->probabilities[i], b->probabilities[i], 1e-6) << i;
  }
}

TEST_P(DeviceTrainingTest, ACheckpointGoesOnOnAnotherDevice) {
  const TemporaryFolder folder;
  const std::string path = folder / "last.safetensors";
  Training expected(kCpu);
  expected.run(6, 1e-2F);
  Training first(GetParam());
  first.run(3, 1e-2F);
  ASSERT_TRUE(save_checkpoint(path, first.step, {}, "{}").ok());
  Training second(kCpu);
  ASSERT_TRUE(restore(*open_checkpoint(path), second.step).ok());
  second.steps_done = 3;
  second.run(3, 1e-2F);
  const double loss = expected.run(1, 1e-2F);
  EXPECT_NEAR(second.run(1, 1e-2F), loss, 1e-4 * loss);
}

TEST_P(DeviceTrainingTest, ALossThatIsNoNumberNamesTheLayer) {
  Training training(GetParam());
  const float infinity[] = {INFINITY};
  Graph& graph = training.step.graph();
  ASSERT_TRUE(copy_to_device<float>(graph.context(), infinity, graph.parameter_values()).ok());
  const auto result = training.step.run(training.batch.get(), 1, 1e-5F);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(
      result.status().message().starts_with("the loss is not a number at step 1, first in one.weight:"))
      << result.status().message();
}

class Bf16TrainingTest : public ::testing::TestWithParam<Machine> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Bf16TrainingTest);
INSTANTIATE_TEST_SUITE_P(Machines, Bf16TrainingTest, ::testing::ValuesIn(bf16_machines()), machine_name);
INSTANTIATE_TEST_SUITE_P(Vendors, Bf16TrainingTest, ::testing::ValuesIn(vendor_machines(Precision::bf16)),
                         machine_name);

// A factor is rounded by 2^-9 of itself at most, and the roundings of a sum are not all in one direction.
TEST_P(Bf16TrainingTest, TheLossesAreNearThoseOfFp32) {
  Training expected(kCpu, {}, convolutional_network());
  Training actual(GetParam(), {}, convolutional_network());
  const double first = expected.run(1, 1e-3F);
  EXPECT_NEAR(actual.run(1, 1e-3F), first, 0x1p-8 * first);
  double loss = first;
  for (int step = 2; step <= 20; ++step) {
    loss = expected.run(1, 1e-3F);
    EXPECT_NEAR(actual.run(1, 1e-3F), loss, 0x1p-6 * first) << "step " << step;
  }
  EXPECT_LT(loss, 0.8 * first);
}

TEST_P(Bf16TrainingTest, ACheckpointGoesOnInFp32) {
  const TemporaryFolder folder;
  const std::string path = folder / "last.safetensors";
  Training first(GetParam());
  first.run(3, 1e-3F);
  ASSERT_TRUE(save_checkpoint(path, first.step, {}, "{}").ok());
  Training second(kCpu);
  ASSERT_TRUE(restore(*open_checkpoint(path), second.step).ok());
  second.steps_done = 3;
  const double loss = first.run(1, 1e-3F);
  EXPECT_NEAR(second.run(1, 1e-3F), loss, 0x1p-8 * loss);
}

}  // namespace
}  // namespace bauta::testing
