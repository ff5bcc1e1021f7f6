#include "optim/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <set>
#include <thread>

#include "engine/data/split.h"
#include "engine/io/file.h"
#include "layers/weights.h"
#include "optim/checkpoint.h"
#include "optim/predict.h"
#include "tests/optim/trainer_fixture.h"

namespace bauta::testing {
namespace {

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

TEST_F(TrainerTest, TellsWhatAnEpochCameTo) {
  TrainOptions o = options("new/run");
  o.class_weights = {ClassWeights::Kind::none, {}};
  must_run(o);
  ASSERT_EQ(observer_.epochs.size(), 3U);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    const EpochReport& report = observer_.epochs[epoch];
    EXPECT_EQ(report.metrics.step, 8 * (static_cast<int>(epoch) + 1));
    double loss = 0;
    for (std::size_t i = 8 * epoch; i < 8 * (epoch + 1); ++i)
      loss += observer_.losses[i] * observer_.images[i] / 54;
    EXPECT_NEAR(report.metrics.train_loss, loss, 1e-6 * loss) << "epoch " << epoch + 1;
    if (epoch > 0) {
      EXPECT_GE(report.previous_best, observer_.epochs[epoch - 1].metrics.val_acc);
    }
  }
  const auto best = Safetensors::open(o.out + "/best.safetensors");
  ASSERT_TRUE(best.ok());
  EXPECT_NE(best->metadata("val_acc"), nullptr);
  EXPECT_EQ(*best->metadata("format"), "pt");
  const auto events = read_file(o.out + "/events.out.tfevents.0.bauta", 100000);
  ASSERT_TRUE(events.ok());
  for (const char* tag :
       {"train_loss", "images_per_second", "val_loss", "val_acc", "precision", "recall", "f1"})
    EXPECT_NE(events->find(tag), std::string::npos) << tag;
}

// What validation came to, computed anew from the best weights: class by class, weighted.
TEST_F(TrainerTest, TellsWhatValidationCameToAndKeepsItWithTheBestWeights) {
  data_ = pictures(0.9F);  // some are taken for the other class
  TrainOptions o = options("run");
  o.val = 0.4;
  o.class_weights = {ClassWeights::Kind::given, {1, 9}};
  const TrainResult result = must_run(o);
  const EpochMetrics& told = observer_.epochs.at(static_cast<std::size_t>(result.best_epoch) - 1).metrics;
  const Runner runner({"", available_isas().back(), 2, backend_});
  auto graph = Graph::create(runner.context(), network(), 5, GraphMode::inference);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  const auto file = Safetensors::open(result.best_path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE(succeeded(load_parameters(*file, "", graph->parameters(), graph->parameter_values())));
  const std::vector<int> samples = split_dataset(data_, o.val, o.seed)->val;
  const auto found = predict(*graph, data_, samples, std::vector<float>{1, 1}, {});
  ASSERT_TRUE(found.ok()) << found.status().message();

  double loss = 0, weights = 0;
  int of_light = 0, taken_for_light = 0, hits = 0, right = 0;
  for (std::size_t n = 0; n < samples.size(); ++n) {
    const bool light = found->labels[n] == 1;
    const bool said_light = found->predicted[n] == 1;
    const double weight = light ? 9 : 1;
    weights += weight;
    loss -= weight * std::log(double{found->probabilities[2 * n + (light ? 1 : 0)]});
    of_light += light ? 1 : 0;
    taken_for_light += said_light ? 1 : 0;
    hits += light && said_light ? 1 : 0;
    right += light == said_light ? 1 : 0;
  }
  ASSERT_NE(of_light, taken_for_light);  // or else precision is recall
  EXPECT_DOUBLE_EQ(told.precision, static_cast<double>(hits) / taken_for_light);
  EXPECT_DOUBLE_EQ(told.recall, static_cast<double>(hits) / of_light);
  EXPECT_DOUBLE_EQ(told.f1, 2.0 * hits / (of_light + taken_for_light));
  EXPECT_DOUBLE_EQ(told.val_acc, static_cast<double>(right) / static_cast<double>(samples.size()));
  EXPECT_NEAR(told.val_loss, loss / weights, 1e-5 * told.val_loss);
  EXPECT_EQ(*file->metadata("epoch"), std::to_string(told.epoch));
  EXPECT_EQ(*file->metadata("step"), std::to_string(told.step));
  EXPECT_EQ(*file->metadata("val_acc"), std::to_string(told.val_acc));
}

TEST_F(TrainerTest, TheBestOfEqualEpochsIsTheFirst) {
  TrainOptions o = options("run");
  o.lr = 1e-30F;  // nothing is learned
  EXPECT_EQ(must_run(o).best_epoch, 1);
  EXPECT_TRUE(observer_.epochs[0].improved);
  EXPECT_FALSE(observer_.epochs[1].improved);
}

TEST_F(TrainerTest, EveryEpochVariesImagesAnew) {
  TrainOptions o = options("plain");
  o.lr = 1e-30F;
  o.shuffle = false;
  o.augment = Augment::none;
  must_run(o);
  const auto epoch = [&](int number) {
    const auto begin = observer_.losses.begin() + 8 * number;
    return std::vector<double>(begin, begin + 8);
  };
  EXPECT_EQ(epoch(0), epoch(1));
  observer_.losses.clear();
  o.out = folder_ / "varied";
  o.augment = Augment::light;
  must_run(o);
  EXPECT_NE(epoch(0), epoch(1));
}

TEST_F(TrainerTest, SavesACheckpointEverySoManySteps) {
  TrainOptions o = options("run");
  o.save_every = 3;
  observer_.at_step = [&](std::int64_t step) {
    if (step != 5) return;
    const auto checkpoint = open_checkpoint(o.out + "/last.safetensors");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    EXPECT_EQ(checkpoint->state.step, 3);
  };
  must_run(o);
}

TEST_F(TrainerTest, ABatchThatIsLargerThanTheDataSetTakesNoMoreMemory) {
  TrainOptions o = options("all");
  o.epochs = 1;
  o.batch = 54;
  must_run(o);
  const std::size_t enough = observer_.arena_bytes;
  o.out = folder_ / "more";
  o.batch = std::numeric_limits<int>::max();
  must_run(o);
  EXPECT_EQ(observer_.arena_bytes, enough);
  EXPECT_EQ(observer_.images, (std::vector<int>{54, 54}));
}

TEST_F(TrainerTest, AStopInTheLastStepComesTooLate) {
  TrainOptions o = options("run");
  o.stop = &stop_;
  observer_.stop = &stop_;
  observer_.stop_after = 24;
  EXPECT_FALSE(must_run(o).stopped);
}

TEST_F(TrainerTest, TheNumberOfThreadsDoesNotChangeABit) {
  must_run(options("one"), 1);
  for (int threads : {2, 3, 8}) {
    const std::string name = std::to_string(threads);
    must_run(options(name), threads);
    expect_same_run(folder_ / "one", folder_ / name);
  }
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
  TrainOptions wild = options("wild");
  wild.lr = 1e30F;
  wild.save_every = 1;
  const auto result = run(wild);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "the loss is not finite at step 2, first in the output of head: lower --lr, with another "
            "--out, or look for damaged weights or data; what was saved before is as it was");
  const auto checkpoint = open_checkpoint(wild.out + "/last.safetensors");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  EXPECT_EQ(checkpoint->state.step, 1);
}

TEST_F(TrainerTest, AValidationThatIsNoNumberNamesStepAndLayer) {
  TrainOptions wild = options("wild");
  wild.lr = 1e30F;
  wild.max_steps = 1;
  const auto result = run(wild);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(
      result.status().message(),
      "the loss of validation is not finite after step 1, first in the output of head: lower --lr, with "
      "another --out, or look for damaged weights or data; what was saved before is as it was");
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
  Result<std::vector<std::string>> all_gather(const std::string& mine) override { return std::vector{mine}; }
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
            "the loss was not finite, and is finite when computed again (step 2): test the device's memory, "
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
        "the loss is not finite at step 2, first in the output of head: "))
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
  EXPECT_EQ(refusal([](TrainOptions& t) { t.batch = 0; }),
            "a batch needs at least 1 sample (--batch): use 1 or more");
  EXPECT_EQ(refusal([](TrainOptions& t) { t.max_steps = -1; }),
            "a negative number of steps (--max-steps): use 0 for no limit");
  EXPECT_EQ(refusal([](TrainOptions& t) { t.save_every = -1; }),
            "a negative number of steps (--save-every): use 0 for epochs alone");
  EXPECT_EQ(refusal([](TrainOptions& t) { t.out = ""; }), "a run needs a folder to write (--out): name one");
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

TEST_F(TrainerTest, AResumedEpochTookWhatItTookBefore) {
  TrainOptions o = options("run");
  o.epochs = 1;
  observer_.at_step = [](std::int64_t step) {
    if (step <= 3) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  run_until(o, 3);
  o.resume = true;
  must_run(o);
  ASSERT_EQ(observer_.epochs.size(), 1U);
  EXPECT_GE(observer_.epochs[0].metrics.seconds, 0.6);
}

}  // namespace
}  // namespace bauta::testing
