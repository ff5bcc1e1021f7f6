#include "layers/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/core/stream.h"
#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "layers/zoo.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

// Every kind of layer, fused and alone, with a last row and column that nothing reads.
Model mixed_model() {
  Model model("mixed", {15, 14, 3}, {"a", "b", "c"});
  model.conv2d("one", 5, 3, 1, 1).relu().maxpool(2);  // fused: 7x7
  model.conv2d("two", 6, 2).relu();                   // 6x6
  model.maxpool(3, 2);                                // 2x2, its row and column 5 are never read
  model.linear("three", 7).relu().linear("four", 3);
  return model;
}

// Blocks one after the other, and linear layers of which the widest is not the last.
Model deep_model() {
  Model model("deep", {16, 12, 3}, {"a", "b", "c"});
  model.conv2d("one", 8, 3, 1, 1).relu().maxpool(2);
  model.conv2d("two", 4, 3, 1, 1).relu().maxpool(2);
  model.linear("three", 40).relu().linear("four", 50).relu().linear("five", 3);
  return model;
}

void fill(std::span<float> values, std::uint64_t seed) {
  const Buffer<float> random = random_floats(values.size(), seed);
  std::copy_n(random.data(), values.size(), values.begin());
}

Graph make_graph(const Context& context, const Model& model, int batch, GraphMode mode) {
  auto graph = Graph::create(context, model, batch, mode);
  EXPECT_TRUE(succeeded(graph.status()));
  initialize(graph->parameters(), 1, graph->parameter_values());
  return std::move(*graph);
}

// Σ r·logits for fixed random r: a loss whose gradient for the logits is r.
double loss_of(Graph& graph, int batch) {
  EXPECT_TRUE(succeeded(graph.forward(batch)));
  const auto count = static_cast<std::size_t>(batch) * graph.model().classes().size();
  const Buffer<float> r = random_floats(count, 9);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += double{r[i]} * graph.logits()[i];
  return sum;
}

void run_backward(Graph& graph, int batch) {
  const auto count = static_cast<std::size_t>(batch) * graph.model().classes().size();
  fill({graph.logits_gradient(), count}, 9);
  ASSERT_TRUE(succeeded(graph.backward(Shards{batch})));
}

std::span<float> input_of(Graph& graph, int batch) {
  return {graph.input(), static_cast<std::size_t>(batch * graph.model().input().count())};
}

void expect_finite_differences(const Model& model) {
  constexpr int kBatch = 3;
  Graph graph = make_graph(reference_context(), model, kBatch, GraphMode::training);
  fill(input_of(graph, kBatch), 5);
  loss_of(graph, kBatch);
  run_backward(graph, kBatch);
  const std::vector<float> gradients(graph.parameter_gradients().begin(), graph.parameter_gradients().end());
  for (const Parameter& p : graph.parameters()) {
    double largest = 0;
    for (Index i = 0; i < p.size; ++i) {
      largest = std::fmax(largest, std::fabs(gradients[static_cast<std::size_t>(p.offset + i)]));
    }
    ASSERT_GT(largest, 0) << p.name;
    for (Index i = 0; i < p.size; i += p.size / 8 + 1) {
      const auto at = static_cast<std::size_t>(p.offset + i);
      const float kept = graph.parameter_values()[at];
      constexpr float kEpsilon = 1.0F / 8192;  // small enough to flip no pool's or ReLU's decision
      graph.parameter_values()[at] = kept + kEpsilon;
      const double high = loss_of(graph, kBatch);
      graph.parameter_values()[at] = kept - kEpsilon;
      const double low = loss_of(graph, kBatch);
      graph.parameter_values()[at] = kept;
      EXPECT_NEAR((high - low) / (2 * double{kEpsilon}), gradients[at], 5e-3 * largest) << p.name << " " << i;
    }
  }
}

TEST(Graph, GradientsAgreeWithFiniteDifferences) {
  expect_finite_differences(mixed_model());
  expect_finite_differences(deep_model());
}

class GraphTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, GraphTest, ::testing::ValuesIn(machines()), machine_name);

// Under simt, too, where wgrads are computed as late as is allowed.
class BackwardTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, BackwardTest, ::testing::ValuesIn(machines_on_the_host()), machine_name);

// Gradients within the tolerance, logits within a tenth of it.
void expect_equals_the_reference(const Machine& machine, const Model& model, double tolerance) {
  constexpr int kBatch = 5;
  const Runner runner(machine);
  Graph actual = make_graph(runner.context(), model, kBatch, GraphMode::training);
  Graph expected = make_graph(reference_context(), model, kBatch, GraphMode::training);
  for (Graph* graph : {&actual, &expected}) {
    fill(input_of(*graph, kBatch), 5);
    loss_of(*graph, kBatch);
  }
  for (std::size_t i = 0; i < kBatch * model.classes().size(); ++i)
    EXPECT_NEAR(actual.logits()[i], expected.logits()[i], tolerance / 10);
  run_backward(actual, kBatch);
  run_backward(expected, kBatch);
  for (std::size_t i = 0; i < actual.parameter_gradients().size(); ++i) {
    ASSERT_NEAR(actual.parameter_gradients()[i], expected.parameter_gradients()[i], tolerance) << i;
  }
}

TEST_P(BackwardTest, EqualsTheReference) { expect_equals_the_reference(GetParam(), mixed_model(), 2e-5); }

// Nothing is in order that the graph does not put in order: under simt its chain, too, is then done as late
// as is allowed.
TEST_P(BackwardTest, EqualsTheReferenceWhenAnotherStreamWaitsForItsGradients) {
  constexpr int kBatch = 5;
  Graph expected = make_graph(reference_context(), mixed_model(), kBatch, GraphMode::training);
  fill(input_of(expected, kBatch), 5);
  loss_of(expected, kBatch);
  run_backward(expected, kBatch);

  const Runner runner(GetParam());
  const auto stream = Stream::create(runner.context());
  ASSERT_TRUE(succeeded(stream.status()));
  const Context chain = stream->of(runner.context());
  Graph actual = make_graph(chain, mixed_model(), kBatch, GraphMode::training);
  fill(input_of(actual, kBatch), 5);
  ASSERT_TRUE(succeeded(actual.forward(kBatch)));
  ASSERT_TRUE(succeeded(wait_for_stream(chain)));
  fill({actual.logits_gradient(), kBatch * 3}, 9);
  const std::span<float> gradients = actual.parameter_gradients();
  std::ranges::fill(gradients, std::nanf(""));
  const auto expect_final = [&](Index first) {
    for (const Parameter& p : actual.parameters()) {
      if (p.offset < first) continue;
      for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i)
        ASSERT_NEAR(gradients[i], expected.parameter_gradients()[i], 2e-5) << p.name;
    }
  };
  ASSERT_TRUE(succeeded(actual.backward(Shards{kBatch}, [&](Index first, const Context& computed) {
    ASSERT_TRUE(succeeded(wait_for_stream(computed)));
    expect_final(first);
  })));
  ASSERT_TRUE(succeeded(wait_for_stream(chain)));
  expect_final(0);
}

TEST_P(GraphTest, InferenceGivesTheLogitsOfTrainingInLessMemory) {
  constexpr int kBatch = 4;
  const Runner runner(GetParam());
  const Model model = *zoo_model("study");
  Graph training = make_graph(runner.context(), model, kBatch, GraphMode::training);
  Graph inference = make_graph(runner.context(), model, kBatch, GraphMode::inference);
  for (Graph* graph : {&training, &inference}) {
    fill(input_of(*graph, kBatch), 5);
    ASSERT_TRUE(succeeded(graph->forward(kBatch)));
  }
  for (std::size_t i = 0; i < kBatch * 2; ++i) EXPECT_EQ(training.logits()[i], inference.logits()[i]);
  EXPECT_LT(inference.arena_bytes(), training.arena_bytes());
}

TEST_P(BackwardTest, InferenceBetweenTwoPassesTakesLargerBatchesAndNoMemory) {
  constexpr int kBatch = 5;
  const Runner runner(GetParam());
  Graph training = make_graph(runner.context(), mixed_model(), kBatch, GraphMode::training);
  fill(input_of(training, kBatch), 5);
  const double loss = loss_of(training, kBatch);
  run_backward(training, kBatch);
  const std::vector<float> gradients(training.parameter_gradients().begin(),
                                     training.parameter_gradients().end());

  auto inference = training.inference();
  ASSERT_TRUE(succeeded(inference.status()));
  const int batch = inference->max_batch();
  EXPECT_GE(batch, 2 * kBatch);
  EXPECT_EQ(inference->arena_bytes(), 0);
  fill(input_of(*inference, batch), 5);
  ASSERT_TRUE(succeeded(inference->forward(batch)));
  const std::vector<float> logits(inference->logits(), inference->logits() + 3 * batch);
  EXPECT_TRUE(std::ranges::equal(training.parameter_gradients(), gradients));

  fill(input_of(training, kBatch), 5);  // the first of the same numbers
  EXPECT_EQ(loss_of(training, kBatch), loss);
  const bool same_order = GetParam().backend == Backend::cpu;  // of summing, whatever the batch
  for (std::size_t i = 0; i < kBatch * 3; ++i) {
    EXPECT_NEAR(logits[i], training.logits()[i], same_order ? 0 : 2e-6);
  }
  run_backward(training, kBatch);
  EXPECT_TRUE(std::ranges::equal(training.parameter_gradients(), gradients));
}

// On a GPU that is the convolution's whole gradient, the largest array of all.
TEST(Graph, TakesNoWorkspaceForTheGradientOfItsInput) {
  const ConvReluPoolShape first_block = {2, 100, 100, 3, 32, 3, 1, 1, 47, 47};
  for (const Machine& machine : gpu_machines()) {
    const Runner runner(machine);
    const auto graph = Graph::create(runner.context(), *zoo_model("study"), 2, GraphMode::training);
    ASSERT_TRUE(succeeded(graph.status()));
    EXPECT_LT(graph->context().workspace.size(),
              conv_relu_pool_workspace(runner.context(), first_block, Pass::dgrad));
  }
}

// The study's third block reads 8 of its convolution's 9 rows, so pixels from row and column 95 on change
// nothing.
TEST_P(GraphTest, ReadsOnlyTheDemandedRegion) {
  const Runner runner(GetParam());
  Graph graph = make_graph(runner.context(), *zoo_model("study"), 1, GraphMode::training);
  fill(input_of(graph, 1), 5);
  ASSERT_TRUE(succeeded(graph.forward(1)));
  const float logit = graph.logits()[0];
  for (int row = 0; row < 100; ++row) {
    for (int column = 0; column < 100; ++column) {
      if (row < 95 && column < 95) continue;
      for (int c = 0; c < 3; ++c) graph.input()[(row * 100 + column) * 3 + c] = std::nanf("");
    }
  }
  ASSERT_TRUE(succeeded(graph.forward(1)));
  EXPECT_EQ(graph.logits()[0], logit);
  graph.input()[(94 * 100 + 94) * 3] += 1;
  ASSERT_TRUE(succeeded(graph.forward(1)));
  EXPECT_NE(graph.logits()[0], logit);
}

TEST(Graph, NamesTheFirstLayerThatIsNotFinite) {
  Graph graph = make_graph({}, mixed_model(), 2, GraphMode::training);
  fill(input_of(graph, 2), 5);
  ASSERT_TRUE(succeeded(graph.forward(2)));
  EXPECT_EQ(*graph.first_non_finite(2), "");
  graph.input()[0] = std::nanf("");
  ASSERT_TRUE(succeeded(graph.forward(2)));
  EXPECT_EQ(*graph.first_non_finite(2), "the output of one");
  graph.parameter_values()[static_cast<std::size_t>(graph.parameters()[0].offset)] = INFINITY;
  EXPECT_EQ(*graph.first_non_finite(2), "one.weight");
  graph.parameter_values()[static_cast<std::size_t>(graph.parameters()[0].offset)] = 1;
  graph.parameter_values()[static_cast<std::size_t>(graph.parameters()[1].offset)] = INFINITY;
  EXPECT_EQ(*graph.first_non_finite(2), "one.bias");
}

TEST(Graph, RefusesABatchOfNothing) {
  const auto graph = Graph::create({}, mixed_model(), 0, GraphMode::training);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.status().message(), "a batch of 0 samples (--batch): use at least 1");
}

TEST_P(BackwardTest, TellsFromWhereOnGradientsAreFinal) {
  const Runner runner(GetParam());
  Graph graph = make_graph(runner.context(), mixed_model(), 2, GraphMode::training);
  fill(input_of(graph, 2), 5);
  ASSERT_TRUE(succeeded(graph.forward(2)));
  const std::span<float> gradients = graph.parameter_gradients();
  std::ranges::fill(gradients, std::nanf(""));
  std::vector<Index> firsts;
  ASSERT_TRUE(succeeded(graph.backward(Shards{2}, [&](Index first, const Context& computed) {
    firsts.push_back(first);
    EXPECT_TRUE(succeeded(wait_for_stream(computed)));
    for (const Parameter& p : graph.parameters()) {
      const bool final = !std::isnan(gradients[static_cast<std::size_t>(p.offset)]);
      EXPECT_EQ(final, p.offset >= first) << p.name;
    }
  })));
  EXPECT_TRUE(std::is_sorted(firsts.begin(), firsts.end(), std::greater()));
  EXPECT_EQ(firsts.size(), graph.parameters().size() / 2);
  EXPECT_EQ(firsts.back(), 0);
}

TEST_P(BackwardTest, WhatGoesOnBesideTheRestHasAWorkspaceOfItsOwn) {
  const Runner runner(GetParam());
  Graph graph = make_graph(runner.context(), mixed_model(), 2, GraphMode::training);
  ASSERT_TRUE(succeeded(graph.forward(2)));
  const auto look = [&](Index first, const Context& computed) {
    const bool beside = computed.stream != graph.context().stream;
    EXPECT_EQ(beside, GetParam().backend == Backend::simt && first > 0);
    EXPECT_EQ(beside, computed.workspace.data() != graph.context().workspace.data());
  };
  ASSERT_TRUE(succeeded(graph.backward(Shards{2}, look)));
}

TEST(Graph, ARankWithoutSamplesAddsNothing) {
  Graph graph = make_graph({}, mixed_model(), 2, GraphMode::training);
  ASSERT_TRUE(succeeded(graph.forward(0)));
  Index first = -1;
  ASSERT_TRUE(
      succeeded(graph.backward(Shards{2, 0, 1}, [&](Index ready, const Context&) { first = ready; })));
  EXPECT_EQ(first, 0);
  for (float gradient : graph.parameter_gradients()) EXPECT_EQ(gradient, 0);
}

TEST(Graph, AReluAtTheEndIsALayerOfItsOwn) {
  Model model("end", {3, 3, 3}, {"a", "b", "c"});
  model.linear("one", 7).relu().linear("two", 3).relu();
  expect_finite_differences(model);
}

TEST_P(BackwardTest, OfThreeBlocksEqualsTheReference) {
  Model model("three", {32, 32, 3}, {"a", "b", "c"});
  model.conv2d("one", 4, 3, 1, 1).relu().maxpool(2);
  model.conv2d("two", 8, 3, 1, 1).relu().maxpool(2);
  model.conv2d("three", 16, 3, 1, 1).relu().maxpool(2);
  model.linear("four", 5).relu().linear("five", 3);
  expect_equals_the_reference(GetParam(), model, 1e-4);
}

}  // namespace
}  // namespace bauta::testing
