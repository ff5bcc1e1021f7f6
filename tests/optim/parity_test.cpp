// Holds the training of the study's network, on the CPU and on a GPU where there is one, against PyTorch's in
// float64. What the fixture has, and how it was made: scripts/parity/make_fixture.py. BAUTA_PARITY_FIXTURE
// names another fixture (scripts/parity/check makes one), or where it lies.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/whole_batch.h"
#include "engine/io/safetensors.h"
#include "layers/zoo.h"
#include "optim/training_step.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

template <class T>
std::vector<T> elements(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class Fixture {
 public:
  Fixture() : file_(Safetensors::open(path())) {}

  const Status& status() const { return file_.status(); }
  std::uint64_t seed() const { return std::stoull(*file_->metadata("seed")); }

  template <class T>
  std::vector<T> raw(const std::string& name) const {
    return elements<T>(*file_->find(name));
  }
  /// A tensor of F32 or F64.
  std::vector<double> values(const std::string& name) const {
    const TensorView& tensor = *file_->find(name);
    if (tensor.dtype == DType::f64) return elements<double>(tensor);
    const std::vector<float> rounded = elements<float>(tensor);
    return {rounded.begin(), rounded.end()};
  }
  /// The first step's gradient by a parameter, in the file's order.
  std::vector<double> gradient(const std::string& name) const {
    return name == "linearLayers.0.weight" ? product_gradient() : values("grad." + name);
  }

 private:
  static std::string path() {
    const char* set = std::getenv("BAUTA_PARITY_FIXTURE");
    return set != nullptr ? set : BAUTA_SOURCE_DIR "/tests/fixtures/parity/study.safetensors";
  }

  // A linear layer's gradient is the product of what came in and what came back.
  std::vector<double> product_gradient() const {
    const std::vector<double> dy = values("grad.linearLayers.0.output");
    const std::vector<double> x = values("linearLayers.0.input");
    const auto batch = static_cast<std::size_t>(file_->find("images")->shape[0]);
    const std::size_t outputs = dy.size() / batch;
    const std::size_t inputs = x.size() / batch;
    std::vector<double> dw(outputs * inputs, 0.0);
    for (std::size_t n = 0; n < batch; ++n) {
      for (std::size_t o = 0; o < outputs; ++o) {
        for (std::size_t i = 0; i < inputs; ++i)
          dw[o * inputs + i] += dy[n * outputs + o] * x[n * inputs + i];
      }
    }
    return dw;
  }

  Result<Safetensors> file_;
};

/// Training on the fixture's batch, from its initial values.
class Training {
 public:
  Training(const Fixture& fixture, const Context& context)
      : context_(context),
        labels_(fixture.raw<std::int32_t>("labels")),
        batch_(std::move(*WholeBatch::create(context, fixture.raw<std::uint8_t>("images"), labels_))) {
    Result<Graph> graph = Graph::create(context, *zoo_model("study"), batch(), GraphMode::training);
    std::vector<float> values(graph->parameter_values().size());
    initialize(graph->parameters(), fixture.seed(), values);
    EXPECT_TRUE(copy_to_device<float>(context, values, graph->parameter_values()).ok());
    auto optimizer = make_optimizer(context, {}, values.size());
    auto step =
        TrainingStep::create(std::move(*graph), std::move(*optimizer), fixture.raw<float>("class_weights"));
    step_.emplace(std::move(*step));
  }

  int batch() const { return static_cast<int>(labels_.size()); }
  Graph& graph() { return step_->graph(); }

  /// What the network says of the batch now.
  std::vector<double> logits() {
    const DeviceBatch images = batch_.get();
    const auto places = std::move(*DeviceBuffer<std::int32_t>::create(context_, images.places.size()));
    EXPECT_TRUE(copy_to_device<std::int32_t>(context_, images.places, places.span()).ok());
    EXPECT_TRUE(
        graph()
            .set_images(graph().context(), batch(), images.images, images.image_count, places.data(), nullptr)
            .ok());
    EXPECT_TRUE(graph().forward(batch()).ok());
    const auto logits = here(std::span(graph().logits(), labels_.size() * step_->class_weights().size()));
    return {logits.begin(), logits.end()};
  }

  /// Does one step more, and returns its loss.
  double step(float lr) {
    const Result<WeightedLoss> loss = step_->run(batch_.get(), ++steps_, lr);
    EXPECT_TRUE(loss.ok()) << loss.status().message();
    return loss.ok() ? loss->mean() : std::nan("");
  }

  /// One parameter out of the parameters' values or gradients, in the file's order.
  std::vector<double> in_file_order(const Parameter& p, std::span<const float> all) const {
    std::vector<float> file(static_cast<std::size_t>(p.size));
    to_file_order(p, here(all.subspan(static_cast<std::size_t>(p.offset), file.size())), file);
    return {file.begin(), file.end()};
  }

 private:
  // What lies in an array of the device's.
  std::vector<float> here(std::span<const float> array) const {
    return std::move(*on_host<float>(context_, array));
  }

  const Context& context_;
  std::vector<std::int32_t> labels_;
  WholeBatch batch_;
  std::optional<TrainingStep> step_;
  int steps_ = 0;
};

/// The elements that the fixture keeps of a large tensor.
std::vector<double> samples(const std::vector<double>& values) {
  constexpr std::size_t kSamples = 256;
  constexpr std::size_t kStride = 100003;
  if (values.size() <= kSamples) return values;
  std::vector<double> kept;
  for (std::size_t i = 0; i < kSamples; ++i) kept.push_back(values[i * kStride % values.size()]);
  return kept;
}

/// ‖actual - expected‖ / ‖expected‖.
double relative_error(const std::vector<double>& actual, const std::vector<double>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return std::sqrt(error / norm);
}

// simt would take minutes for one of these tests.
std::vector<Machine> every_isa_and_gpu() {
  std::vector<Machine> all;
  for (Isa isa : available_isas()) all.push_back({isa_name(isa), isa, 2});
  for (const Machine& machine : gpu_machines()) {
    if (machine.backend == Backend::cuda) all.push_back(machine);
  }
  return all;
}

class ParityTest : public ::testing::TestWithParam<Machine> {
 protected:
  void SetUp() override { ASSERT_TRUE(fixture_.status().ok()) << fixture_.status().message(); }

  void expect_losses(const std::string& name, float lr, double tolerance) {
    const Runner runner(GetParam());
    Training training(fixture_, runner.context());
    const std::vector<double> expected = fixture_.values(name);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(training.step(lr) / expected[i], 1, tolerance) << "step " << i + 1;
    }
  }

  Fixture fixture_;
};
INSTANTIATE_TEST_SUITE_P(Machines, ParityTest, ::testing::ValuesIn(every_isa_and_gpu()), machine_name);

TEST_P(ParityTest, InitialValuesAreThoseOfTheFixture) {
  const Runner runner(GetParam());
  Training training(fixture_, runner.context());
  for (const Parameter& p : training.graph().parameters()) {
    const auto values = training.in_file_order(p, training.graph().parameter_values());
    EXPECT_EQ(samples(values), fixture_.values("init." + p.name)) << p.name;
  }
}

TEST_P(ParityTest, FirstStepsLogitsAndGradients) {
  const Runner runner(GetParam());
  Training training(fixture_, runner.context());
  EXPECT_LE(relative_error(training.logits(), fixture_.values("logits")), 1e-5);
  training.step(1e-5F);
  for (const Parameter& p : training.graph().parameters()) {
    const auto gradient = training.in_file_order(p, training.graph().parameter_gradients());
    EXPECT_LE(relative_error(gradient, fixture_.gradient(p.name)), 1e-5) << p.name;
  }
}

TEST_P(ParityTest, LossesOfFiftySteps) { expect_losses("losses.lr1e-5", 1e-5F, 1e-5); }

// At this rate training is chaotic: further steps would part in PyTorch's float32 as well.
TEST_P(ParityTest, LossesOfFiveLargeSteps) { expect_losses("losses.lr1e-3", 1e-3F, 5e-4); }

// Adam divides by the gradient's own size, which magnifies the error of the smallest ones: PyTorch's float32
// is 3e-4 off.
TEST_P(ParityTest, ParametersAfterTwentySteps) {
  const Runner runner(GetParam());
  Training training(fixture_, runner.context());
  std::vector<std::vector<double>> initial;
  for (const Parameter& p : training.graph().parameters()) {
    initial.push_back(samples(training.in_file_order(p, training.graph().parameter_values())));
  }
  for (int step = 0; step < 20; ++step) training.step(1e-5F);
  for (std::size_t i = 0; i < initial.size(); ++i) {
    const Parameter& p = training.graph().parameters()[i];
    std::vector<double> update = samples(training.in_file_order(p, training.graph().parameter_values()));
    for (std::size_t j = 0; j < update.size(); ++j) update[j] -= initial[i][j];
    EXPECT_LE(relative_error(update, fixture_.values("update." + p.name)), 2e-3) << p.name;
  }
}

}  // namespace
}  // namespace bauta::testing
