// What the CUDA kernels' launches say of themselves, held against what simt counts.

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/data/whole_batch.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/linear/linear.h"
#include "kernels/maxpool/maxpool.h"
#include "kernels/peak/gpu_peak.h"
#include "kernels/relu/relu.h"
#include "kernels/sgd/sgd.h"
#include "kernels/simt/log.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "layers/zoo.h"
#include "optim/training_step.h"
#include "tests/kernels/op_test.h"

namespace bauta::simt {
namespace {

using testing::succeeded;

constexpr int kBatch = 32;

/// A context that leaves counts in `log`.
struct Counting : testing::Runner {
  Counting() : Runner({"simt", Isa::portable, 3, Backend::simt}) {}
  Context context(Log& log) const {
    Context with_log = Runner::context();
    with_log.simt_log = &log;
    return with_log;
  }
};

void expect_counts(const LaunchCounts& launch) {
  SCOPED_TRACE(launch.kernel);
  ASSERT_GT(launch.work.moved, 0);
  // A tenth, or what makes no difference to any launch: the sectors of a matrix of two columns.
  EXPECT_NEAR(launch.moved_bytes(), launch.work.moved, std::max(0.1 * launch.work.moved, 8192.0));
  EXPECT_LT(launch.bank_conflict_degree(), 1.2);
}

void expect_what_was_said(const Log& log) {
  EXPECT_TRUE(log.faults.empty());
  for (const LaunchCounts& launch : log.launches) {
    expect_counts(launch);
    EXPECT_GE(launch.moved_bytes(), launch.work.floor);
    EXPECT_LE(launch.moved_bytes(), 1.25 * launch.ideal_bytes());
  }
}

// One step of training of what is behind the study's convolutions.
TEST(SimtWork, simt_TheStudysLinearLayersMoveWhatTheySay) {
  Model model("tail", {4, 4, 128}, {"a", "b"});
  model.linear("one", 1024).relu().linear("two", 2);
  Log log;
  const Counting counting;
  const Context context = counting.context(log);
  auto graph = Graph::create(context, model, kBatch, GraphMode::training);
  auto optimizer = make_optimizer(context, {}, graph->parameter_values().size());
  auto step = TrainingStep::create(std::move(*graph), std::move(*optimizer), {1, 1});
  const std::vector<std::uint8_t> pixels(kBatch * 4 * 4 * 128);
  const std::vector<std::int32_t> labels(kBatch);
  const auto loss = step->run(WholeBatch::create(context, pixels, labels)->get(), 1, 1e-5F);
  ASSERT_TRUE(succeeded(loss.status()));
  std::vector<std::string> kernels;
  for (const LaunchCounts& launch : log.launches) kernels.push_back(launch.kernel);
  EXPECT_EQ(kernels, (std::vector<std::string>{"gather_images", "linear_forward", "linear_sums",
                                               "linear_few_forward", "softmax_xent", "linear_few_dgrad",
                                               "linear_wgrad", "linear_few_wgrad", "adam"}));
  expect_what_was_said(log);
}

/// The launches of one step of training of the study's whole network that are convolutions' and linear
/// layers'.
std::vector<LaunchCounts> products_of_a_step(int images, Precision precision) {
  Log log;
  const Counting counting;
  Context context = counting.context(log);
  context.precision = precision;
  auto graph = Graph::create(context, *zoo_model("study"), images, GraphMode::training);
  auto optimizer = make_optimizer(context, {}, graph->parameter_values().size());
  auto step = TrainingStep::create(std::move(*graph), std::move(*optimizer), {1, 1});
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(images) * 100 * 100 * 3);
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(images));
  const auto loss = step->run(WholeBatch::create(context, pixels, labels)->get(), 1, 1e-5F);
  EXPECT_TRUE(succeeded(loss.status()));
  std::erase_if(log.launches, [](const LaunchCounts& launch) {
    return !launch.kernel.starts_with("conv") && !launch.kernel.starts_with("linear");
  });
  return log.launches;
}

TEST(SimtWork, simt_TheStudysProductsMoveWhatTheySay) {
  // Convolutions' dgrads and wgrads are two launches each, as are the first linear layer's forward and dgrad.
  const auto launches = products_of_a_step(4, Precision::fp32);
  EXPECT_EQ(launches.size(), 3U + 2U * 2U + 2U * 3U + 3U + 3U + 2U);
  for (const LaunchCounts& launch : launches) {
    expect_counts(launch);
    EXPECT_EQ(launch.mma, 0U);
  }
}

TEST(SimtWork, simt_TheStudysProductsInBf16MoveWhatTheySay) {
  // By patches the second layer's dgrad is one launch.
  const auto launches = products_of_a_step(4, Precision::bf16);
  EXPECT_EQ(launches.size(), 3U + 2U + 1U + 3U + 3U + 2U + 2U + 1U + 3U);
  for (const LaunchCounts& launch : launches) {
    expect_counts(launch);
    const bool sum = launch.work.multiply_adds == 0;
    const bool few = launch.kernel.starts_with("linear_few");
    EXPECT_EQ(launch.mma == 0, sum || few);
    if (few) continue;
    // An mma has 2048 products; those that lie outside of the matrices come on top.
    EXPECT_GE(2048 * static_cast<double>(launch.mma), launch.work.multiply_adds);
  }
}

// An H100 may run code for GPUs before it, from PTX.
TEST(SimtWork, simt_PatchesAreTakenInGroupsWhereTheGpuAndItsCodeAreAnH100s) {
  const Conv2dShape s = {1, 24, 24, 32, 64, 3, 1, 1, 24, 24};
  Buffer<float> x(24 * 24 * 32), w(9 * 32 * 64), bias(64), y(24 * 24 * 64);
  const auto groups = [&](const KernelLimits& limits) {
    const testing::Runner runner({"simt", Isa::portable, 3, Backend::simt, Precision::bf16, nullptr, limits});
    Log log;
    Context context = runner.context();
    context.simt_log = &log;
    EXPECT_TRUE(succeeded(conv2d_forward(context, s, x.data(), w.data(), bias.data(), y.data())));
    return log.launches.at(0).block.y;
  };
  EXPECT_EQ(groups({227 * 1024, 90}), 3U);
  EXPECT_EQ(groups({227 * 1024, 100}), 3U);
  EXPECT_EQ(groups({227 * 1024, 80}), 1U);
  EXPECT_EQ(groups({99 * 1024, 120}), 1U);
}

/// The launches around a vendor's products, on the study's second layer, for what crops and widens a part of
/// it, and its first linear layer.
std::vector<LaunchCounts> launches_around_a_vendor(Precision precision) {
  const ConvReluPoolShape pooled = {1, 47, 47, 32, 64, 3, 1, 1, 23, 23};
  const Conv2dShape part = {1, 47, 47, 32, 64, 3, 1, 1, 31, 31};
  const LinearShape linear = {1, 2048, 1024};
  Log log;
  testing::ReferenceVendor vendor;
  const Counting counting;
  Context context = counting.context(log);
  context.precision = precision;
  context.vendor = &vendor;
  Buffer<std::byte> workspace(testing::largest_workspace([&](Pass pass) {
    return std::max({conv_relu_pool_workspace(context, pooled, pass), conv2d_workspace(context, part, pass),
                     linear_workspace(context, linear, pass)});
  }));
  context.workspace = workspace.span();
  Buffer<float> x(47 * 47 * 32), w(1024 * 2048), bias(1024), y(31 * 31 * 64);
  Buffer<std::uint8_t> argmax(23 * 23 * 16);
  EXPECT_TRUE(succeeded(
      conv_relu_pool_forward(context, pooled, x.data(), w.data(), bias.data(), y.data(), argmax.data())));
  EXPECT_TRUE(succeeded(conv_relu_pool_wgrad(context, pooled, Shards{1}, x.data(), y.data(), y.data(),
                                             argmax.data(), w.data(), bias.data())));
  EXPECT_TRUE(succeeded(conv2d_forward(context, part, x.data(), w.data(), bias.data(), y.data())));
  EXPECT_TRUE(succeeded(conv2d_dgrad(context, part, y.data(), w.data(), x.data())));
  EXPECT_TRUE(succeeded(linear_wgrad(context, linear, Shards{1}, x.data(), y.data(), w.data(), bias.data())));
  EXPECT_TRUE(succeeded(linear_forward(context, linear, x.data(), w.data(), bias.data(), y.data())));
  expect_what_was_said(log);
  return log.launches;
}

TEST(SimtWork, simt_WhatIsAroundAVendorsProductsMovesWhatItSays) {
  EXPECT_EQ(launches_around_a_vendor(Precision::fp32).size(), 2U + 4U + 3U + 3U + 1U);
}

// What is handed over is rounded, and so is what comes back from convolutions.
TEST(SimtWork, simt_WhatIsAroundAVendorsProductsInBf16MovesWhatItSays) {
  EXPECT_EQ(launches_around_a_vendor(Precision::bf16).size(), 3U + 6U + 3U + 3U + 3U + 2U);
}

TEST(SimtWork, simt_LinearLayersOfFewOutputsMoveWhatTheySay) {
  Log log;
  const Counting counting;
  const Context context = counting.context(log);
  for (const LinearShape& s : {LinearShape{2048, 1024, 2}, LinearShape{320, 1024, 8}}) {
    Buffer<float> x(static_cast<std::size_t>(s.batch * s.in_features));
    Buffer<float> w(static_cast<std::size_t>(s.out_features * s.in_features));
    Buffer<float> y(static_cast<std::size_t>(s.batch * s.out_features));
    Buffer<float> bias(static_cast<std::size_t>(s.out_features));
    ASSERT_TRUE(succeeded(linear_forward(context, s, x.data(), w.data(), bias.data(), y.data())));
    ASSERT_TRUE(succeeded(linear_dgrad(context, s, y.data(), w.data(), x.data(), x.data())));
    ASSERT_TRUE(
        succeeded(linear_wgrad(context, s, Shards{s.batch}, x.data(), y.data(), w.data(), bias.data())));
  }
  EXPECT_EQ(log.launches.size(), 6U);
  expect_what_was_said(log);
}

TEST(SimtWork, simt_MaxPoolAndSoftmaxMoveWhatTheySay) {
  Log log;
  const Counting counting;
  const Context context = counting.context(log);
  Buffer<float> x(4 * 100 * 100 * 32);
  Buffer<float> y(4 * 50 * 50 * 64);
  Buffer<std::uint8_t> argmax(y.size());
  for (const MaxPoolShape& pool : {MaxPoolShape{4, 100, 100, 32, 2, 2, 50, 50},
                                   {4, 50, 50, 32, 3, 2, 24, 24},
                                   {4, 50, 50, 64, 3, 1, 48, 48},
                                   {4, 50, 50, 32, 4, 2, 24, 24}}) {
    ASSERT_TRUE(succeeded(maxpool_forward(context, pool, x.data(), y.data(), argmax.data())));
    ASSERT_TRUE(succeeded(maxpool_dgrad(context, pool, y.data(), argmax.data(), x.data())));
  }
  ASSERT_TRUE(succeeded(softmax_forward(context, {kBatch, 2}, x.data(), y.data())));
  constexpr int kMany = 4096;  // with the study's batch, a wrong count would hide among a few sectors
  const std::vector<std::int32_t> labels(kMany);
  const float scale = 1;
  const SoftmaxXentOutputs out = {.losses = y.data(), .dlogits = x.data() + 2 * kMany};
  ASSERT_TRUE(succeeded(
      softmax_xent_loss(context, {kMany, 2}, x.data(), labels.data(), x.data() + 4 * kMany, &scale, out)));
  EXPECT_EQ(log.launches.size(), 10U);
  expect_what_was_said(log);
}

// What the study's step has none of.
TEST(SimtWork, simt_ReluAndSgdMoveWhatTheySay) {
  constexpr Index kSize = 1 << 17;
  Log log;
  const Counting counting;
  const Context context = counting.context(log);
  Buffer<float> x(kSize), y(kSize), u(kSize), numbers(2);
  ASSERT_TRUE(succeeded(relu_forward(context, kSize, x.data(), y.data())));
  ASSERT_TRUE(succeeded(relu_dgrad(context, kSize, x.data(), y.data(), x.data())));
  ASSERT_TRUE(succeeded(sgd_step(context, numbers.data(), nullptr, kSize, x.data(), y.data(), u.data())));
  EXPECT_EQ(log.launches.size(), 3U);
  expect_what_was_said(log);
}

TEST(SimtWork, simt_TheKernelsThatMeasureAGpuDoWhatTheySay) {
  Log log;
  const Counting counting;
  const Context context = counting.context(log);
  Buffer<float> memory(1 << 16);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<float>(i);
  ASSERT_TRUE(succeeded(launch_peak_kernels(context, memory.span(), true, 1)));
  ASSERT_EQ(log.launches.size(), 4U);
  EXPECT_TRUE(log.faults.empty());
  for (std::size_t i = 0; i < memory.size() / 2; ++i) ASSERT_EQ(memory[memory.size() / 2 + i], memory[i]);
  for (const LaunchCounts& launch : log.launches)
    EXPECT_EQ(launch.moved_bytes(), launch.work.moved) << launch.kernel;
  EXPECT_EQ(static_cast<double>(log.launches[1].mma) * 16 * 8 * 16, log.launches[1].work.multiply_adds);
}

}  // namespace
}  // namespace bauta::simt
