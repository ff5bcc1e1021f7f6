#include "optim/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include "engine/core/rng.h"
#include "engine/io/file.h"
#include "engine/io/safetensors.h"
#include "optim/run_config.h"
#include "tests/engine/temporary_folder.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

constexpr int kSide = 10;

// 60 small pictures of two classes that brightness tells apart, more or less.
Dataset pictures(float noise = 0.35F) {
  Dataset::Parts parts;
  parts.size = {kSide, kSide, 3};
  parts.classes = {"dark", "light"};
  auto pixels = std::make_shared<std::vector<std::uint8_t>>();
  for (int i = 0; i < 60; ++i) {
    const std::int32_t label = i % 3 == 0 ? 0 : 1;
    Rng rng(1, RngStream::render, static_cast<std::uint64_t>(i));
    const float base = label == 0 ? 0.4F : 0.6F;
    for (std::size_t k = 0; k < parts.size.bytes(); ++k) {
      pixels->push_back(static_cast<std::uint8_t>(255 * std::min(1.0F, base + rng.uniform(-noise, noise))));
    }
    parts.labels.push_back(label);
    parts.names.push_back("picture " + std::to_string(i));
  }
  parts.pixels = *pixels;
  parts.storage = pixels;
  return Dataset(std::move(parts));
}

Model network() {
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
    void on_step(const StepReport& report) override {
      losses.push_back(report.loss);
      if (report.step == stop_after) *stop = true;
    }
    void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
    std::vector<double> losses;
    std::vector<EpochReport> epochs;
    std::int64_t stop_after = 0;
    std::atomic<bool>* stop = nullptr;
  };

  Backend backend_ = Backend::cpu;
  TemporaryFolder folder_;
  Dataset data_ = pictures();
  Observer observer_;
  std::atomic<bool> stop_ = false;
};

void expect_same_tensors(const std::string& a, const std::string& b) {
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
std::string metrics_of(const std::string& run) {
  std::ifstream in(run + "/metrics.jsonl");
  std::string all;
  for (std::string line; std::getline(in, line);) all += line.substr(0, line.find("\"seconds\"")) + "\n";
  return all;
}

void expect_same_run(const std::string& a, const std::string& b) {
  expect_same_tensors(a + "/best.safetensors", b + "/best.safetensors");
  expect_same_tensors(a + "/last.safetensors", b + "/last.safetensors");
  EXPECT_EQ(metrics_of(a), metrics_of(b));
}

void TrainerTest::expect_whole_when_resumed(TrainOptions o, int threads) {
  o.resume = true;
  must_run(o, threads);
  expect_same_run(folder_ / "whole", o.out);
}

TEST_F(TrainerTest, LearnsAndWritesTheRun) {
  TrainOptions o = options("run");
  o.epochs = 40;
  const TrainResult result = must_run(o);
  EXPECT_EQ(result.steps, 320);
  EXPECT_EQ(result.best_val_acc, 1.0);
  EXPECT_LT(observer_.epochs.back().metrics.train_loss, 0.5 * observer_.epochs.front().metrics.train_loss);
  for (const char* name : {"best.safetensors", "last.safetensors", "config.json", "metrics.jsonl"}) {
    EXPECT_TRUE(std::filesystem::exists(o.out + "/" + name)) << name;
  }
  const auto best = Safetensors::open(result.best_path);
  ASSERT_TRUE(best.ok());
  EXPECT_EQ(best->tensors().size(), 4U);
}

TEST_F(TrainerTest, TheNumberOfThreadsDoesNotChangeABit) {
  must_run(options("one"), 1);
  for (int threads : {2, 3, 8}) {
    const std::string name = std::to_string(threads);
    must_run(options(name), threads);
    expect_same_run(folder_ / "one", folder_ / name);
  }
}

TEST_F(TrainerTest, ARunThatIsStoppedAndResumedEndsWithTheSameBits) {
  must_run(options("whole"));
  for (std::int64_t step :
       {1, 7, 9, 20}) {  // in the first epoch, before an epoch's end, after it, in the last
    TrainOptions o = options("stopped" + std::to_string(step));
    o.save_every = 5;
    run_until(o, step);
    expect_whole_when_resumed(o, 3);
  }
}

TEST_F(TrainerTest, MetricsBehindTheCheckpointAreCutBack) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  run_until(o, 12);
  // What a killed run leaves: lines and events of steps that no checkpoint knows.
  std::ofstream(o.out + "/metrics.jsonl", std::ios::app) << "{\"step\": 13, \"epoch\": 2, \"lo";
  std::ofstream(o.out + "/events.out.tfevents.0.bauta", std::ios::app) << "half an event";
  expect_whole_when_resumed(o);
}

TEST_F(TrainerTest, ResumingRefusesFilesThatAreShorterThanTheCheckpointKnowsAndChangesNone) {
  TrainOptions o = options("killed");
  run_until(o, 12);
  std::filesystem::resize_file(o.out + "/events.out.tfevents.0.bauta", 100);
  std::ofstream(o.out + "/metrics.jsonl", std::ios::app) << "more";
  const auto bytes = std::filesystem::file_size(o.out + "/metrics.jsonl");
  o.resume = true;
  const auto result = run(o);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "the file is shorter than when the checkpoint was written (" + o.out +
                "/events.out.tfevents.0.bauta): put the whole folder back from where it was copied");
  EXPECT_EQ(std::filesystem::file_size(o.out + "/metrics.jsonl"), bytes);
}

TEST_F(TrainerTest, ResumingWithoutACheckpointStartsAfresh) {
  must_run(options("whole"));
  TrainOptions o = options("fresh");
  expect_whole_when_resumed(o);
}

TEST_F(TrainerTest, ResumingARunThatWasKilledBeforeItsFirstCheckpointStartsAfresh) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  must_run(o);
  std::filesystem::remove(o.out + "/last.safetensors");
  expect_whole_when_resumed(o);
}

TEST_F(TrainerTest, ResumingARunThatWasKilledAtOnceStartsAfresh) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  std::filesystem::create_directories(o.out);
  std::ofstream(o.out + "/config.json.tmp") << "{\"mod";
  expect_whole_when_resumed(o);
}

TEST_F(TrainerTest, ResumingWithoutACheckpointRefusesAnotherRunAndKeepsIt) {
  TrainOptions o = options("run");
  must_run(o);
  std::filesystem::remove(o.out + "/last.safetensors");
  const std::string metrics = *read_file(o.out + "/metrics.jsonl", 100000);
  o.resume = true;
  o.lr = 0.5F;
  const auto result = run(o);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(result.status().is_usage());
  EXPECT_EQ(result.status().message(),
            "the run was started with lr 0.01, not 0.5 (" + o.out +
                "/config.json): resume with the first value, or start another run with another --out");
  EXPECT_EQ(*read_file(o.out + "/metrics.jsonl", 100000), metrics);
}

TEST_F(TrainerTest, ResumingRefusesAFolderOfSomethingElseAndKeepsIt) {
  for (const std::string file : {"config.json", "thesis.txt"}) {
    TrainOptions o = options("of " + file);
    std::filesystem::create_directories(o.out);
    std::ofstream(o.out + "/" + file) << "{}";
    std::ofstream(o.out + "/metrics.jsonl") << "years of work";
    o.resume = true;
    const auto result = run(o);
    ASSERT_FALSE(result.ok()) << file;
    EXPECT_NE(result.status().message().find(o.out), std::string::npos) << result.status().message();
    EXPECT_EQ(*read_file(o.out + "/" + file, 100), "{}");
    EXPECT_EQ(*read_file(o.out + "/metrics.jsonl", 100), "years of work");
    EXPECT_FALSE(std::filesystem::exists(o.out + "/best.safetensors"));
  }
}

TEST_F(TrainerTest, ResumingAFinishedRunChangesNothing) {
  TrainOptions o = options("run");
  must_run(o);
  const std::string before = metrics_of(o.out);
  o.resume = true;
  must_run(o);
  EXPECT_EQ(metrics_of(o.out), before);
}

TEST_F(TrainerTest, EpochsMayGrow) {
  TrainOptions o = options("grown");
  o.epochs = 1;
  must_run(o);
  o.epochs = 3;
  o.resume = true;
  must_run(o);
  must_run(options("whole"));
  expect_same_run(folder_ / "whole", o.out);
}

TEST(CheckResumable, ThePrecisionMayChange) {
  const auto config = [](const char* lr, const char* precision) {
    return std::string(R"({"graph":"{}","lr":)") + lr + R"(,"precision":")" + precision +
           R"(","schedule":"constant"})";
  };
  const std::string kept = config("0.1", "fp32");
  EXPECT_TRUE(check_resumable(kept, config("0.1", "bf16"), "last.safetensors").ok());
  EXPECT_FALSE(check_resumable(kept, config("0.2", "bf16"), "last.safetensors").ok());
}

TEST(CheckResumable, RefusesWhatIsNoRuns) {
  for (const char* kept : {"", "[]", R"({"name":"another program's"})"}) {
    EXPECT_EQ(check_resumable(kept, "{}", "run/config.json").message(),
              "this does not say how a run was started (run/config.json): start another run with another "
              "--out");
  }
}

TEST_F(TrainerTest, RefusesToResumeAnotherRun) {
  TrainOptions o = options("run");
  run_until(o, 3);
  o.resume = true;
  const auto refusal = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions changed = o;
    change(changed);
    const auto result = run(changed);
    return result.ok() ? std::string("resumed") : result.status().message();
  };
  EXPECT_EQ(refusal([](TrainOptions& t) { t.batch = 8; }),
            "the run was started with batch 7, not 8 (" + o.out +
                "/last.safetensors): resume with the first value, or start another run with another --out");
  EXPECT_NE(refusal([](TrainOptions& t) { t.seed = 1; }), "resumed");
  EXPECT_NE(refusal([](TrainOptions& t) { t.lr = 1; }), "resumed");
  EXPECT_NE(refusal([](TrainOptions& t) { t.epochs = 2; }), "resumed");
  EXPECT_NE(refusal([](TrainOptions& t) { t.augment = Augment::none; }), "resumed");
  data_ = pictures(0.3F);
  EXPECT_NE(refusal([](TrainOptions&) {}), "resumed");
}

TEST_F(TrainerTest, CosineEpochsMayNotGrow) {
  TrainOptions o = options("run");
  o.schedule = Schedule::cosine;
  run_until(o, 3);
  o.resume = true;
  o.epochs = 4;
  EXPECT_FALSE(run(o).ok());
}

TEST_F(TrainerTest, RefusesAFolderThatIsNotEmpty) {
  TrainOptions o = options("run");
  std::filesystem::create_directories(o.out);
  std::ofstream(o.out + "/thesis.txt") << "years of work";
  const auto result = run(o);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(result.status().is_usage());
  EXPECT_EQ(*read_file(o.out + "/thesis.txt", 100), "years of work");
}

TEST_F(TrainerTest, ALimitOnStepsEndsTheRunAsAnEpochDoes) {
  TrainOptions o = options("run");
  o.max_steps = 11;
  const TrainResult result = must_run(o);
  EXPECT_EQ(result.steps, 11);
  EXPECT_EQ(observer_.epochs.size(), 2U);
  EXPECT_TRUE(observer_.epochs.back().metrics.validated);
  EXPECT_TRUE(std::filesystem::exists(result.best_path));
}

TEST_F(TrainerTest, WithoutValidationTheLastWeightsAreTheBest) {
  TrainOptions o = options("run");
  o.val = 0;
  const TrainResult result = must_run(o);
  EXPECT_EQ(result.steps, 27);  // 60 images in batches of 7
  EXPECT_EQ(result.best_epoch, 3);
  EXPECT_FALSE(observer_.epochs.back().metrics.validated);
}

TEST_F(TrainerTest, ALossThatIsNoNumberNamesStepAndLayerAndKeepsTheCheckpoint) {
  TrainOptions o = options("run");
  run_until(o, 2);
  TrainOptions wild = options("wild");
  wild.lr = 1e30F;
  const auto result = run(wild);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "the loss is not a number at step 2, first in the output of head: lower --lr, or look for "
            "damaged weights or "
            "data; the last checkpoint is untouched");
}

TEST_F(TrainerTest, AValidationThatIsNoNumberNamesStepAndLayer) {
  TrainOptions wild = options("wild");
  wild.lr = 1e30F;
  wild.max_steps = 1;
  const auto result = run(wild);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(
      result.status().message(),
      "the loss of validation is not a number after step 1, first in the output of head: lower --lr, or "
      "look for damaged weights or data; the last checkpoint is untouched");
  EXPECT_FALSE(std::filesystem::exists(wild.out + "/best.safetensors"));
}

// One process, whose tests look into its sums.
class OneRank : public Communicator {
 public:
  OneRank() : Communicator(0, {"here"}) {}
  void start_sum(std::span<float>, const Context&) override {}
  void start_sum(std::span<double>) override {}
  Status finish() override { return {}; }
  Status broadcast(std::span<std::byte>) override { return {}; }
  Result<std::vector<std::string>> gather(const std::string& mine) override { return std::vector{mine}; }
};

// Its third sum of doubles, the second step's loss, comes out as NaN.
class Glitch final : public OneRank {
 public:
  using OneRank::start_sum;
  void start_sum(std::span<double> values) override {
    if (++sums_ == 3) values[0] = std::nan("");
  }

 private:
  int sums_ = 0;
};

TEST_F(TrainerTest, ALossThatIsNoNumberOnceAloneEndsTheRunToo) {
  const Runner runner({"", available_isas().back(), 2, backend_});
  Glitch glitch;
  const auto result = train(runner.context(), network(), data_, options("run"), observer_, glitch);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "the loss was not a number, and is one when computed again (step 2): test the device's memory, "
            "then go on from the last checkpoint by --resume");
}

// It looks at what its watch would see while it sums.
class Watched final : public OneRank {
 public:
  void start_sum(std::span<float>, const Context&) override { kinds.insert(activity().kind()); }
  void start_sum(std::span<double>) override { kinds.insert(activity().kind()); }

  std::set<Activity::Kind> kinds;
};

TEST_F(TrainerTest, AllOfAnEpochIsWatchedButForWhatIsWrittenAndSaid) {
  struct Listener final : Observer {
    void on_step(const StepReport&) override { kinds.insert(communicator.activity().kind()); }
    void on_validation(int, int) override { kinds.insert(communicator.activity().kind()); }
    void on_epoch(const EpochReport&) override { kinds.insert(communicator.activity().kind()); }
    Watched communicator;
    std::set<Activity::Kind> kinds;
  } listener;
  const Runner runner({"", available_isas().back(), 2, backend_});
  ASSERT_TRUE(
      train(runner.context(), network(), data_, options("run"), listener, listener.communicator).ok());
  EXPECT_EQ(listener.communicator.kinds, std::set{Activity::Kind::computes});
  EXPECT_EQ(listener.kinds, std::set{Activity::Kind::unwatched});
}

// Where a device computes, steps are started before those before them are finished.
class TrainerOnDeviceTest : public TrainerTest, public ::testing::WithParamInterface<Machine> {
 protected:
  TrainerOnDeviceTest() { backend_ = GetParam().backend; }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TrainerOnDeviceTest);
INSTANTIATE_TEST_SUITE_P(Machines, TrainerOnDeviceTest, ::testing::ValuesIn(gpu_machines()), machine_name);

TEST_P(TrainerOnDeviceTest, StreamedImagesGiveTheRunOfThoseInItsMemoryAndTheCpusLosses) {
  TrainOptions o = options("resident");
  o.epochs = 2;
  o.lr = 1e-4F;
  must_run(o);
  const std::vector<double> losses = std::exchange(observer_.losses, {});
  TrainOptions streamed = o;
  streamed.out = folder_ / "streamed";
  streamed.stream = true;
  must_run(streamed);
  expect_same_run(o.out, streamed.out);
  backend_ = Backend::cpu;
  observer_.losses.clear();
  o.out = folder_ / "cpu";
  must_run(o);
  ASSERT_EQ(losses.size(), observer_.losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i)
    EXPECT_NEAR(losses[i], observer_.losses[i], 1e-5 * losses[i]);
}

TEST_P(TrainerOnDeviceTest, ARunThatIsStoppedAndResumedEndsWithTheSameBits) {
  must_run(options("whole"));
  TrainOptions o = options("stopped");
  o.save_every = 5;
  run_until(o, 3);
  expect_whole_when_resumed(o);
}

TEST_P(TrainerOnDeviceTest, ALossThatIsNoNumberNamesStepAndLayer) {
  for (const bool stream : {false, true}) {
    TrainOptions wild = options(stream ? "streamed" : "resident");
    wild.lr = 1e30F;
    wild.stream = stream;
    const auto result = run(wild);
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.status().message().starts_with(
        "the loss is not a number at step 2, first in the output of head: "))
        << result.status().message();
  }
}

TEST_F(TrainerTest, StartsFromWeightsOfAnotherRun) {
  must_run(options("first"));
  TrainOptions o = options("second");
  o.init = folder_ / "first/best.safetensors";
  const double from_the_seed = observer_.losses.front();
  observer_.losses.clear();
  must_run(o);
  EXPECT_LT(observer_.losses.front(), 0.95 * from_the_seed);
}

TEST_F(TrainerTest, SgdLearnsToo) {
  TrainOptions o = options("run");
  o.optimizer.kind = OptimizerKind::sgd;
  o.epochs = 10;
  EXPECT_GT(must_run(o).best_val_acc, 0.8);
}

TEST_F(TrainerTest, SaysWhatIsWrongWithItsOptions) {
  const auto refusal = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions o = options("run");
    change(o);
    const auto result = run(o);
    return result.ok() ? std::string() : result.status().message();
  };
  EXPECT_EQ(refusal([](TrainOptions& t) { t.epochs = 0; }),
            "a run needs at least 1 epoch (--epochs): use 1 or more");
  EXPECT_EQ(refusal([](TrainOptions& t) { t.val = 1; }),
            "the part that validates is not in [0, 1) (--val): use 0.1");
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float lr : {0.0F, -1.0F, infinity, std::nanf("")}) {
    EXPECT_EQ(
        refusal([&](TrainOptions& t) { t.lr = lr; }),
        "the learning rate is not a number above 0 that a float can hold (--lr): use 1e-5, the study's");
  }
  for (const float momentum : {-0.1F, 1.0F, std::nanf("")}) {
    EXPECT_EQ(refusal([&](TrainOptions& t) {
                t.optimizer.kind = OptimizerKind::sgd;
                t.optimizer.momentum = momentum;
              }),
              "the momentum is not in [0, 1) (--momentum): use 0.9");
  }
  for (const float weight : {0.0F, -1.0F, infinity}) {
    EXPECT_EQ(refusal([&](TrainOptions& t) {
                t.class_weights = {ClassWeights::Kind::given, {1, weight}};
              }),
              "a class weight is not a number above 0 (--class-weights): use auto, none, or numbers with "
              "commas between");
  }
  EXPECT_EQ(
      refusal([](TrainOptions& t) {
        t.class_weights = {ClassWeights::Kind::given, {1}};
      }),
      "2 classes need as many class weights, not 1 (--class-weights): give one for each class, or use auto "
      "or none");
  EXPECT_NE(refusal([](TrainOptions& t) { t.optimizer.beta1 = 1; }), "");
  EXPECT_FALSE(std::filesystem::exists(options("run").out));
}

}  // namespace
}  // namespace bauta::testing
