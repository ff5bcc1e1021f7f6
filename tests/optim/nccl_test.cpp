// Sums by NCCL on this machine's GPU, which is a world of one: whatever a sum does, it changes nothing.

#include "engine/comm/nccl.h"

#include <gtest/gtest.h>

#include "engine/data/whole_batch.h"
#include "optim/training_step.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

#if defined(BAUTA_HAS_NCCL)

constexpr int kBatch = 4;
// The last of which replays a recording, with its sums.
constexpr int kSteps = 2 * TrainingStep::kAhead + 1;

/// Skips without a GPU; else has a communicator over NCCL.
class NcclTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const Machine& machine : gpu_machines()) {
      if (machine.backend == Backend::cuda) runner_.emplace(machine);
    }
    if (!runner_) GTEST_SKIP() << "there is no GPU";
    auto opened = open_nccl(context(), alone(), [](const Status& fault) { FAIL() << fault.message(); });
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    nccl_ = std::move(*opened);
  }

  const Context& context() const { return runner_->context(); }

  /// The weights after kSteps on random images.
  std::vector<float> trained(Communicator& communicator) const {
    Model model("small", {12, 12, 3}, {"a", "b"});
    model.maxpool(2).linear("one", 20).relu().linear("two", 2);
    auto graph = Graph::create(context(), model, kBatch, GraphMode::training);
    std::vector<float> values(graph->parameter_values().size());
    initialize(graph->parameters(), 1, values);
    EXPECT_TRUE(copy_to_device<float>(context(), values, graph->parameter_values()).ok());
    auto optimizer = make_optimizer(context(), {}, values.size());
    auto step = TrainingStep::create(std::move(*graph), std::move(*optimizer), {1, 2}, communicator);
    Rng rng(1, RngStream::render);
    std::vector<std::uint8_t> pixels(kBatch * 12 * 12 * 3);
    for (std::uint8_t& byte : pixels) byte = static_cast<std::uint8_t>(rng.below(256));
    const std::vector<std::int32_t> labels = {0, 1, 1, 0};
    const auto batch = WholeBatch::create(context(), pixels, labels);
    for (int i = 1; i <= kSteps; ++i) EXPECT_TRUE(step->run(batch->get(), i, 1e-3F).ok());
    return *on_host<float>(context(), step->graph().parameter_values());
  }

  std::optional<Runner> runner_;
  std::unique_ptr<Communicator> nccl_;
};

TEST_F(NcclTest, TrainingHasTheBitsThatItHasWithoutIt_cuda) { EXPECT_EQ(trained(*nccl_), trained(alone())); }

TEST_F(NcclTest, SumsCanBeRecordedWithWhatTheyWaitFor_cuda) {
  const std::vector<float> ones(1000, 1);
  const auto array = DeviceBuffer<float>::create(context(), ones.size());
  ASSERT_TRUE(array.ok() && copy_to_device<float>(context(), ones, array->span()).ok());
  Recording recording;
  for (int i = 0; i < 4; ++i) {
    const Status run = recording.run(context(), [&] {
      nccl_->start_sum(array->span().first(600), context());
      nccl_->start_sum(array->span().subspan(600), context());
      return nccl_->finish();
    });
    EXPECT_TRUE(run.ok()) << run.message();
  }
  EXPECT_EQ(*on_host<float>(context(), array->span()), ones);
}

#else

TEST(Nccl, ABuildWithoutItSaysSo) {
  EXPECT_FALSE(has_nccl());
  EXPECT_EQ(open_nccl({}, alone(), {}).status().message(),
            "this build has no NCCL, by which GPUs add up their gradients (--device cuda): "
            "install libnccl-dev and build with -DBAUTA_NCCL=ON, or use --device cpu");
}

#endif

}  // namespace
}  // namespace bauta::testing
