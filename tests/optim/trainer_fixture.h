#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/rng.h"
#include "engine/io/safetensors.h"
#include "optim/trainer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/kernels/op_test.h"

/// What tests of whole runs stand on: a small data set, a small network, and a folder for runs.
namespace bauta::testing {

inline constexpr int kSide = 10;

// 60 small pictures of two classes that brightness tells apart, more or less.
inline Dataset pictures(float noise = 0.35F) {
  Dataset::Contents contents;
  contents.size = {kSide, kSide, 3};
  contents.classes = {"dark", "light"};
  auto pixels = std::make_shared<std::vector<std::uint8_t>>();
  for (int i = 0; i < 60; ++i) {
    const std::int32_t label = i % 3 == 0 ? 0 : 1;
    Rng rng(1, RngStream::render, static_cast<std::uint64_t>(i));
    const float base = label == 0 ? 0.4F : 0.6F;
    for (std::size_t k = 0; k < contents.size.bytes(); ++k) {
      pixels->push_back(static_cast<std::uint8_t>(255 * std::min(1.0F, base + rng.uniform(-noise, noise))));
    }
    contents.labels.push_back(label);
    contents.names.push_back("picture " + std::to_string(i));
  }
  contents.pixels = *pixels;
  contents.storage = pixels;
  return Dataset(std::move(contents));
}

inline Model network() {
  Model model("small", {kSide, kSide, 3}, {"dark", "light"});
  model.conv2d("conv", 4, 3, 1, 1).relu().maxpool(2).linear("head", 2);
  return model;
}

class TrainerTest : public ::testing::Test {
 protected:
  TrainOptions options(const std::string& name) const {
    TrainOptions o;
    o.out = folder_ / name;
    o.epochs = 3;
    o.batch = 7;  // 54 train, so the last batch of an epoch has 5
    o.lr = 1e-2F;
    o.augment = Augment::light;
    return o;
  }

  Result<TrainResult> run(const TrainOptions& o, int threads = 2) {
    const Runner runner({"", available_isas().back(), threads, backend_});
    return train(runner.context(), network(), data_, o, observer_);
  }

  TrainResult must_run(const TrainOptions& o, int threads = 2) {
    auto result = run(o, threads);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? *result : TrainResult{};
  }

  // Runs and asks to stop after `step` steps.
  void run_until(TrainOptions o, std::int64_t step) {
    stop_ = false;
    o.stop = &stop_;
    observer_.stop_after = step;
    observer_.stop = &stop_;
    EXPECT_TRUE(must_run(o).stopped);
    observer_.stop_after = 0;
  }

  /// Resumed, the run ends as the one in "whole" did, which was never interrupted.
  void expect_whole_when_resumed(TrainOptions o, int threads = 2);

  struct Observer : TrainObserver {
    void on_start(const RunStart& start) override { arena_bytes = start.arena_bytes; }
    void on_step(const StepReport& report) override {
      losses.push_back(report.loss);
      images.push_back(report.images);
      if (at_step) at_step(report.step);
      if (report.step == stop_after) *stop = true;
    }
    void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
    std::size_t arena_bytes = 0;
    std::vector<double> losses;  // of each step, as its images
    std::vector<int> images;
    std::vector<EpochReport> epochs;
    std::function<void(std::int64_t step)> at_step;
    std::int64_t stop_after = 0;
    std::atomic<bool>* stop = nullptr;
  };

  Backend backend_ = Backend::cpu;
  TemporaryFolder folder_;
  Dataset data_ = pictures();
  Observer observer_;
  std::atomic<bool> stop_ = false;
};

inline void expect_same_tensors(const std::string& a, const std::string& b) {
  const auto file_a = Safetensors::open(a);
  const auto file_b = Safetensors::open(b);
  ASSERT_TRUE(file_a.ok() && file_b.ok());
  ASSERT_EQ(file_a->tensors().size(), file_b->tensors().size());
  for (const TensorView& tensor : file_a->tensors()) {
    const TensorView* other = file_b->find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_TRUE(
        std::equal(tensor.bytes.begin(), tensor.bytes.end(), other->bytes.begin(), other->bytes.end()))
        << tensor.name;
  }
}

// metrics.jsonl without the times, which alone may differ.
inline std::string metrics_of(const std::string& run) {
  std::ifstream in(run + "/metrics.jsonl");
  std::string all;
  for (std::string line; std::getline(in, line);) all += line.substr(0, line.find("\"seconds\"")) + "\n";
  return all;
}

inline void expect_same_run(const std::string& a, const std::string& b) {
  expect_same_tensors(a + "/best.safetensors", b + "/best.safetensors");
  expect_same_tensors(a + "/last.safetensors", b + "/last.safetensors");
  EXPECT_EQ(metrics_of(a), metrics_of(b));
}

inline void TrainerTest::expect_whole_when_resumed(TrainOptions o, int threads) {
  o.resume = true;
  must_run(o, threads);
  expect_same_run(folder_ / "whole", o.out);
}

}  // namespace bauta::testing
