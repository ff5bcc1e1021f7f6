// The whole engine on the devices that CUDA kernels run on: the numbers are the CPU's.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/data/whole_batch.h"
#include "kernels/simt/stream.h"
#include "optim/checkpoint.h"
#include "optim/predict.h"
#include "optim/training_step.h"
#include "tests/engine/noise_dataset.h"
#include "tests/engine/temporary_folder.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr int kBatch = 6;
// Of a slot's steps a GPU does the first call by call, records the second and replays the third.
constexpr int kSteps = 2 * TrainingStep::kAhead + 1;
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

Dataset pictures() { return noise_dataset(kBatch, {kSide, kSide, 3}, {"a", "b", "c"}); }

/// A network in training on one device.
struct Training {
  explicit Training(const Machine& machine, const OptimizerOptions& options = {},
                    const Model& model = network())
      : runner(machine),
        step(make_step(make_graph(runner.context(), model), options)),
        batch(std::move(*WholeBatch::create(runner.context(), data.all_pixels(),
                                            {data.labels().begin(), data.labels().end()}))) {}

  static Graph make_graph(const Context& context, const Model& model) {
    auto graph = Graph::create(context, model, kBatch, GraphMode::training);
    std::vector<float> values(graph->parameter_values().size());
    initialize(graph->parameters(), 1, values);
    EXPECT_TRUE(copy_to_device<float>(context, values, graph->parameter_values()).ok());
    return std::move(*graph);
  }
  static TrainingStep make_step(Graph graph, const OptimizerOptions& options) {
    auto optimizer = make_optimizer(graph.context(), options, graph.parameter_values().size());
    return std::move(*TrainingStep::create(std::move(graph), std::move(*optimizer), {1.0F, 2.0F, 0.5F}));
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

// Its wgrad has no dgrads to go on beside.
TEST_P(DeviceTrainingTest, ANetworkOfOneLayerIsRecordedToo) {
  Model model("one", {kSide, kSide, 3}, {"a", "b", "c"});
  model.linear("only", 3);
  Training expected(kCpu, {}, model);
  Training actual(GetParam(), {}, model);
  const double loss = expected.run(kSteps, 1e-5F);
  EXPECT_NEAR(actual.run(kSteps, 1e-5F), loss, 1e-5 * loss);
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
  EXPECT_TRUE(result.status().message().starts_with("the loss is not finite at step 1, first in one.weight:"))
      << result.status().message();
}

/// Steps that are started ahead of those that are computed: under simt all that computes is done as late as
/// is allowed then, while the images of a step are gathered as early.
class StepsAheadTest : public ::testing::TestWithParam<Machine> {
 protected:
  /// All pictures, but brighter by `shift`.
  std::vector<std::uint8_t> pixels(int shift) const {
    std::vector<std::uint8_t> result(data_.all_pixels().begin(), data_.all_pixels().end());
    for (std::uint8_t& byte : result) byte = static_cast<std::uint8_t>(byte + shift);
    return result;
  }
  WholeBatch batch(int shift) const {
    return std::move(*WholeBatch::create(runner_.context(), pixels(shift),
                                         {data_.labels().begin(), data_.labels().end()}));
  }
  TrainingStep make_step(const Model& model = network()) const {
    Graph graph = Training::make_graph(chain_.of(runner_.context()), model);
    simt::runtime::hasty_low_priority = true;
    TrainingStep step = Training::make_step(std::move(graph), {});
    simt::runtime::hasty_low_priority = false;
    return step;
  }
  /// Finishes a step, which has the loss of the same one when no other is on its way.
  static void expect_loss_alone(TrainingStep& step, const WholeBatch& batch, Training& alone) {
    const auto loss = step.finish();
    ASSERT_TRUE(loss.ok()) << loss.status().message();
    EXPECT_EQ(loss->sum, alone.step.run(batch.get(), ++alone.steps_done, kLr)->sum) << alone.steps_done;
  }

  static constexpr float kLr = 1e-3F;
  Dataset data_ = pictures();
  Runner runner_{GetParam()};
  Stream chain_ = std::move(*Stream::create(runner_.context()));
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StepsAheadTest);
INSTANTIATE_TEST_SUITE_P(Machines, StepsAheadTest, ::testing::ValuesIn(gpu_machines()), machine_name);

TEST_P(StepsAheadTest, EachReadsItsOwnImagesEvenWhereAReluIsFirst) {
  Model relu_first("relu first", {kSide, kSide, 3}, {"a", "b", "c"});
  relu_first.relu().linear("one", 20).relu().linear("two", 3);
  std::vector<WholeBatch> batches;
  for (int i = 0; i < TrainingStep::kAhead; ++i) batches.push_back(batch(31 * i));
  for (const Model& model : {network(), relu_first}) {
    SCOPED_TRACE(model.name());
    TrainingStep step = make_step(model);
    Training alone(GetParam(), {}, model);
    int started = 0;
    for (const WholeBatch& each : batches) ASSERT_TRUE(step.start(each.get(), ++started, kLr).ok());
    for (const WholeBatch& each : batches) expect_loss_alone(step, each, alone);
  }
}

TEST_P(StepsAheadTest, ImagesThatAreOnTheirWayAreWaitedFor) {
  TrainingStep step = make_step();
  Training alone(GetParam());
  const WholeBatch expected = batch(31);
  const Stream stream = std::move(*Stream::create(runner_.context()));
  const Context copying = stream.of(runner_.context());
  const std::vector<std::uint8_t> bytes = pixels(31);
  TransferBuffer<std::uint8_t> from;
  DeviceBuffer<std::uint8_t> to;
  ASSERT_TRUE(from.allocate(copying, bytes.size()).ok() && to.allocate(copying, bytes.size()).ok());
  std::ranges::copy(bytes, from.data());
  Event there = std::move(*Event::create(copying));
  ASSERT_TRUE(start_copy_to_device<std::uint8_t>(copying, from.span(), to.span()).ok());
  ASSERT_TRUE(there.record(copying).ok());
  DeviceBatch late = expected.get();
  late.images = to.data();
  late.there = &there;
  ASSERT_TRUE(step.start(late, 1, kLr).ok());
  expect_loss_alone(step, expected, alone);
}

// It computes in the same memory.
TEST_P(StepsAheadTest, InferenceBetweenTwoStepsIsOverBeforeTheNextImagesCome) {
  TrainingStep step = make_step();
  Training alone(GetParam());
  const WholeBatch first = batch(0), other = batch(31), second = batch(62), third = batch(93);
  ASSERT_TRUE(step.start(first.get(), 1, kLr).ok());
  expect_loss_alone(step, first, alone);
  Graph& inference = step.inference();
  const DeviceBatch looked_at = other.get();
  DeviceBuffer<std::int32_t> places;
  ASSERT_TRUE(places.allocate(runner_.context(), looked_at.places.size()).ok());
  ASSERT_TRUE(copy_to_device(runner_.context(), looked_at.places, places.span()).ok());
  ASSERT_TRUE(inference
                  .set_images(inference.context(), kBatch, looked_at.images, looked_at.image_count,
                              places.data(), nullptr)
                  .ok());
  ASSERT_TRUE(inference.forward(kBatch).ok());
  ASSERT_TRUE(step.start(second.get(), 2, kLr).ok() && step.start(third.get(), 3, kLr).ok());
  expect_loss_alone(step, second, alone);
  expect_loss_alone(step, third, alone);
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
