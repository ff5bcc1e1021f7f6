#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "engine/io/file.h"
#include "optim/checkpoint.h"
#include "optim/run_config.h"
#include "tests/optim/trainer_fixture.h"

namespace {

std::set<std::string> synced;  // names of files that fsync was called for

}  // namespace

// In the place of the C library's.
extern "C" int fsync(int file) {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), ignored);
  synced.insert(path.filename());
  return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace bauta::testing {
namespace {

class ResumeTest : public TrainerTest {};

TEST_F(ResumeTest, ARunThatIsStoppedAndResumedEndsWithTheSameBits) {
  must_run(options("whole"));
  // In the first epoch, before its end, in its last step, after it, in the last epoch.
  for (std::int64_t step : {1, 7, 8, 9, 20}) {
    TrainOptions o = options("stopped" + std::to_string(step));
    o.save_every = 5;
    run_until(o, step);
    EXPECT_EQ(open_checkpoint(o.out + "/last.safetensors")->state.step, step);
    expect_whole_when_resumed(o, 3);
  }
}

TEST_F(ResumeTest, ARunThatALimitOnStepsHasEndedStaysEnded) {
  TrainOptions o = options("run");
  o.max_steps = 11;
  must_run(o);
  const std::string metrics = metrics_of(o.out);
  o.resume = true;
  EXPECT_EQ(must_run(o).steps, 11);
  EXPECT_EQ(metrics_of(o.out), metrics);
}

TEST_F(ResumeTest, MomentumGoesOnWhereItWas) {
  TrainOptions whole = options("whole");
  whole.optimizer.kind = OptimizerKind::sgd;
  must_run(whole);
  TrainOptions o = options("stopped");
  o.optimizer.kind = OptimizerKind::sgd;
  run_until(o, 9);
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, MetricsBehindTheCheckpointAreCutBack) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  run_until(o, 12);
  // What a killed run leaves: lines and events of steps that no checkpoint knows.
  std::ofstream(o.out + "/metrics.jsonl", std::ios::app) << "{\"step\": 13, \"epoch\": 2, \"lo";
  std::ofstream(o.out + "/events.out.tfevents.0.bauta", std::ios::app) << "half an event";
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, WhatACheckpointKnowsIsOnTheDisk) {
  synced.clear();
  must_run(options("run"));
  EXPECT_TRUE(synced.contains("metrics.jsonl"));
  EXPECT_TRUE(synced.contains("events.out.tfevents.0.bauta"));
}

TEST_F(ResumeTest, ResumingRefusesFilesThatAreShorterThanTheCheckpointKnowsAndChangesNone) {
  TrainOptions o = options("killed");
  run_until(o, 12);
  o.resume = true;
  const std::string metrics = o.out + "/metrics.jsonl";
  const std::string events = o.out + "/events.out.tfevents.0.bauta";
  const auto expect_refusal = [&](const std::string& file) {
    const auto result = run(o);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().message(), "the file is shorter than when the checkpoint was written (" + file +
                                             "): put the whole folder back from where it was copied");
  };
  std::ofstream(metrics, std::ios::app) << "more";
  const auto bytes = std::filesystem::file_size(metrics);
  std::filesystem::resize_file(events, 100);
  expect_refusal(events);
  EXPECT_EQ(std::filesystem::file_size(metrics), bytes);
  std::filesystem::resize_file(metrics, 100);
  expect_refusal(metrics);
  EXPECT_EQ(std::filesystem::file_size(metrics), 100U);
}

TEST_F(ResumeTest, ResumingTakesACheckpointWithoutAConfig) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  run_until(o, 12);
  std::filesystem::remove(o.out + "/config.json");
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, ResumingRefusesARunWhoseBestWeightsAreGone) {
  TrainOptions o = options("killed");
  run_until(o, 12);
  std::filesystem::remove(o.out + "/best.safetensors");
  o.resume = true;
  const auto result = run(o);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "the weights of epoch 1, the best, are missing (" + o.out +
                "/best.safetensors): put the whole folder back from where it was copied");
}

TEST_F(ResumeTest, AFolderIsOneRunsAtATime) {
  TrainOptions o = options("run");
  run_until(o, 12);
  const std::string metrics = metrics_of(o.out);
  const FilePointer other(std::fopen((o.out + "/metrics.jsonl").c_str(), "a"));
  ASSERT_EQ(::flock(fileno(other.get()), LOCK_EX), 0);  // what a run does as long as it lives
  o.resume = true;
  const auto result = run(o);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(), "another process is training this run (" + o.out +
                                           "): wait until it ends, or choose another --out");
  EXPECT_EQ(metrics_of(o.out), metrics);
}

TEST_F(ResumeTest, ResumingWithoutACheckpointStartsAfresh) {
  must_run(options("whole"));
  TrainOptions o = options("fresh");
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, ResumingARunThatWasKilledBeforeItsFirstCheckpointStartsAfresh) {
  must_run(options("whole"));
  const TrainOptions o = options("killed");
  TrainOptions first_epoch = o;
  first_epoch.epochs = 1;
  must_run(first_epoch);
  std::filesystem::remove(o.out + "/last.safetensors");
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, ResumingARunThatWasKilledAtOnceStartsAfresh) {
  must_run(options("whole"));
  TrainOptions o = options("killed");
  std::filesystem::create_directories(o.out);
  std::ofstream(o.out + "/config.json.tmp") << "{\"mod";
  expect_whole_when_resumed(o);
}

TEST_F(ResumeTest, ResumingWithoutACheckpointRefusesAnotherRunAndKeepsIt) {
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

TEST_F(ResumeTest, ResumingRefusesAFolderOfSomethingElseAndKeepsIt) {
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

TEST_F(ResumeTest, ResumingAFinishedRunChangesNothing) {
  TrainOptions o = options("run");
  must_run(o);
  const std::string before = metrics_of(o.out);
  o.resume = true;
  must_run(o);
  EXPECT_EQ(metrics_of(o.out), before);
}

TEST_F(ResumeTest, EpochsMayGrow) {
  TrainOptions o = options("grown");
  o.epochs = 1;
  must_run(o);
  o.epochs = 3;
  o.resume = true;
  must_run(o);
  must_run(options("whole"));
  expect_same_run(folder_ / "whole", o.out);
}

TEST(OptionsOfRun, AreThoseThatTheRunWasStartedWith) {
  TrainOptions adam;
  adam.epochs = 3;
  adam.batch = 7;
  adam.lr = 0.1F;
  adam.val = 0.25;
  adam.seed = std::uint64_t{1} << 63;
  adam.class_weights = {ClassWeights::Kind::given, {0.53F, 9.5F}};
  adam.augment = Augment::strong;
  adam.schedule = Schedule::cosine;
  adam.shuffle = false;
  adam.init = "first.safetensors";
  adam.max_steps = 12;
  adam.optimizer.epsilon = 1e-3F;
  TrainOptions sgd;
  sgd.val = 0.0;
  sgd.class_weights.kind = ClassWeights::Kind::none;
  sgd.optimizer.kind = OptimizerKind::sgd;
  sgd.optimizer.momentum = 0.5F;
  for (const TrainOptions& o : {TrainOptions(), adam, sgd}) {
    Context context;
    context.precision = Precision::bf16;
    const std::string config = run_config(network(), pictures(), o, context);
    const auto run = options_of_run(config, "config.json");
    ASSERT_TRUE(run.ok()) << run.status().message();
    EXPECT_EQ(run->model, "small");
    context.precision = run->precision;
    EXPECT_EQ(run_config(network(), pictures(), run->train, context), config);
  }
}

TEST(OptionsOfRun, RefusesWhatIsNoRuns) {
  std::string config = run_config(network(), pictures(), {}, {});
  EXPECT_TRUE(options_of_run(config, "run/config.json").ok());
  config.replace(config.find("\"lr\":"), 5, "\"lr\":\"high\",\"was\":");
  for (const std::string& kept : {std::string(), std::string("[]"), std::string("{}"), config}) {
    EXPECT_EQ(
        options_of_run(kept, "run/config.json").status().message(),
        "this does not say how a run was started (run/config.json): name the folder of a run, or another "
        "--out for a new one");
  }
}

TEST(CheckResumable, WhatComputesMayChangeAndIsNamed) {
  const auto config = [](const char* lr, const char* precision, const char* device) {
    return std::string(R"({"graph":"{}","lr":)") + lr + R"(,"precision":")" + precision +
           R"(","schedule":"constant","version":"1.2","device":")" + device + R"("})";
  };
  const std::string kept = config("0.1", "fp32", "cpu avx2");
  EXPECT_EQ(other_computer(kept, kept), "");
  for (const auto& wanted : {config("0.1", "bf16", "cpu avx2"), config("0.1", "fp32", "cuda")}) {
    EXPECT_TRUE(check_resumable(kept, wanted, "last.safetensors").ok());
    EXPECT_EQ(other_computer(kept, wanted), "bauta 1.2, cpu avx2, fp32");
  }
  EXPECT_FALSE(check_resumable(kept, config("0.2", "bf16", "cuda"), "last.safetensors").ok());
  EXPECT_EQ(other_computer(R"({"device":5,"precision":"fp32"})", kept), "bauta ?, ?, fp32");
  EXPECT_EQ(other_computer("[]", kept), "");
}

TEST(RunConfig, SaysWhatComputes) {
  const auto device = [](const Context& context) {
    const std::string config = run_config(network(), pictures(), {}, context);
    const auto begin = config.find("\"device\":\"") + 10;
    return config.substr(begin, config.find('"', begin) - begin);
  };
  Context context;
  context.isa = Isa::portable;
  EXPECT_EQ(device(context), "cpu portable");
  context.backend = Backend::simt;
  EXPECT_EQ(device(context), "simt");
  context.backend = Backend::cuda;
  EXPECT_EQ(device(context), "cuda");
}

TEST(CheckResumable, RefusesWhatIsNoRuns) {
  for (const char* kept : {"", "[]", R"({"name":"another program's"})"}) {
    EXPECT_EQ(
        check_resumable(kept, "{}", "run/config.json").message(),
        "this does not say how a run was started (run/config.json): name the folder of a run, or another "
        "--out for a new one");
  }
}

TEST_F(ResumeTest, RefusesToResumeAnotherRun) {
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
  const auto expect_refusal = [&](const std::string& key, const std::function<void(TrainOptions&)>& change) {
    const std::string message = refusal(change);
    EXPECT_TRUE(message.starts_with("the run was started with " + key + " ")) << message;
  };
  expect_refusal("seed", [](TrainOptions& t) { t.seed = 1; });
  expect_refusal("lr", [](TrainOptions& t) { t.lr = 1; });
  expect_refusal("epochs", [](TrainOptions& t) { t.epochs = 2; });
  expect_refusal("augment", [](TrainOptions& t) { t.augment = Augment::none; });
  expect_refusal("val", [](TrainOptions& t) { t.val = 0.2; });
  expect_refusal("class-weights", [](TrainOptions& t) { t.class_weights = {ClassWeights::Kind::none, {}}; });
  expect_refusal("shuffle", [](TrainOptions& t) { t.shuffle = false; });
  expect_refusal("max-steps", [](TrainOptions& t) { t.max_steps = 5; });
  expect_refusal("optimizer", [](TrainOptions& t) { t.optimizer.kind = OptimizerKind::sgd; });
  must_run(options("other"));
  expect_refusal("init", [&](TrainOptions& t) { t.init = folder_ / "other/best.safetensors"; });
  data_ = pictures(0.3F);
  EXPECT_TRUE(
      refusal([](TrainOptions&) {}).starts_with("the data are not those that the run was started with"));
}

TEST_F(ResumeTest, CosineEpochsMayNotGrow) {
  TrainOptions o = options("run");
  o.schedule = Schedule::cosine;
  run_until(o, 3);
  o.resume = true;
  o.epochs = 4;
  EXPECT_FALSE(run(o).ok());
}

}  // namespace
}  // namespace bauta::testing
