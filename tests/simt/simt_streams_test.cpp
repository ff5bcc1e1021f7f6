// Streams under simt do their work as late as is allowed: what does not wait for it finds it undone.

#include "engine/core/device.h"
#include "engine/core/stream.h"
#include "kernels/simt/stream.h"
#include "tests/simt/simt_test.h"

namespace bauta::simt {
namespace {

using testing::global;

__global__ void add(Global<float> to, float value) { to[0] += value; }
__global__ void double_it(Global<float> to) { to[0] *= 2; }
__global__ void write_behind(Global<float> to) { to[1] = 0; }

class SimtStreams : public ::testing::Test {
 protected:
  Context beside() const { return beside_.of(context_); }
  Status add_to_it(const Context& context, float value) {
    return launch(context, {"add", 1, 1}, add, global(it_), value);
  }
  Status double_it_on(const Context& context) {
    return launch(context, {"double_it", 1, 1}, double_it, global(it_));
  }

  Context context_ = testing::context();
  Stream beside_ = std::move(*Stream::create(context_));
  Event mark_ = std::move(*Event::create(context_));
  std::vector<float> it_ = {1};
};

TEST_F(SimtStreams, simt_AKernelIsRunWhenItsStreamIsWaitedForAndNotBefore) {
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  ASSERT_TRUE(double_it_on(context_).ok());
  EXPECT_EQ(it_[0], 2);
  ASSERT_TRUE(wait_for_stream(beside()).ok());
  EXPECT_EQ(it_[0], 12);
}

TEST_F(SimtStreams, simt_WhoeverIsHeldByAMarkHasWhatCameBeforeItAndNoMore) {
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  ASSERT_TRUE(mark_.record(beside()).ok());
  ASSERT_TRUE(add_to_it(beside(), 100).ok());
  ASSERT_TRUE(mark_.make_wait(context_).ok());
  EXPECT_EQ(it_[0], 11);
  ASSERT_TRUE(mark_.wait().ok());
  EXPECT_EQ(it_[0], 11);
}

TEST_F(SimtStreams, simt_AMarkSetAgainIsTheLaterOne) {
  ASSERT_TRUE(mark_.record(beside()).ok());
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  ASSERT_TRUE(mark_.record(beside()).ok());
  ASSERT_TRUE(mark_.wait().ok());
  EXPECT_EQ(it_[0], 11);
}

TEST_F(SimtStreams, simt_AStreamThatIsHeldComesAfterTheOther) {
  const Stream other = std::move(*Stream::create(context_));
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  ASSERT_TRUE(mark_.record(beside()).ok());
  ASSERT_TRUE(mark_.make_wait(other.of(context_)).ok());
  ASSERT_TRUE(double_it_on(other.of(context_)).ok());
  EXPECT_EQ(it_[0], 1);
  ASSERT_TRUE(wait_for_stream(other.of(context_)).ok());
  EXPECT_EQ(it_[0], 22);
}

TEST_F(SimtStreams, simt_WhatIsZeroedInAStreamIsSoAfterItsKernels) {
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  ASSERT_TRUE(zero_on_device(beside(), it_.data(), sizeof(float)).ok());
  ASSERT_TRUE(wait_for_stream(beside()).ok());
  EXPECT_EQ(it_[0], 0);
}

TEST_F(SimtStreams, simt_WhatIsCopiedInAStreamComesAfterItsKernels) {
  ASSERT_TRUE(add_to_it(beside(), 10).ok());
  float copy = 0;
  ASSERT_TRUE(copy_to_host<float>(beside(), it_, {&copy, 1}).ok());
  EXPECT_EQ(copy, 11);
}

TEST_F(SimtStreams, simt_ACopyThatIsStartedIsDoneWhenItsStreamIsWaitedForAndNotBefore) {
  float copy = 0;
  ASSERT_TRUE(start_copy_to_host<float>(beside(), it_, {&copy, 1}).ok());
  ASSERT_TRUE(mark_.record(beside()).ok());
  it_[0] = 5;
  EXPECT_EQ(copy, 0);
  ASSERT_TRUE(mark_.wait().ok());
  EXPECT_EQ(copy, 5);
}

TEST_F(SimtStreams, simt_AHastyStreamDoesItsWorkAtOnceButForWhatItIsHeldBy) {
  runtime::hasty_low_priority = true;
  const Stream hasty = std::move(*Stream::create(context_, StreamPriority::low));
  const Stream other = std::move(*Stream::create(context_));
  runtime::hasty_low_priority = false;
  ASSERT_TRUE(add_to_it(other.of(context_), 10).ok());
  ASSERT_TRUE(double_it_on(hasty.of(context_)).ok());
  EXPECT_EQ(it_[0], 2);
  ASSERT_TRUE(mark_.record(other.of(context_)).ok());
  ASSERT_TRUE(mark_.make_wait(hasty.of(context_)).ok());
  EXPECT_EQ(it_[0], 12);
}

TEST_F(SimtStreams, simt_AFaultIsToldToWhoeverWaitsForTheStreamFromThenOn) {
  ASSERT_TRUE(launch(beside(), {"write_behind", 1, 1}, write_behind, global(it_)).ok());
  ASSERT_TRUE(add_to_it(beside(), 10).ok());  // which succeeds
  ASSERT_TRUE(mark_.record(beside()).ok());
  const Status first = mark_.make_wait(context_);
  EXPECT_NE(first.message().find("kernel write_behind"), std::string::npos) << first.message();
  EXPECT_EQ(wait_for_stream(beside()).message(), first.message());
}

}  // namespace
}  // namespace bauta::simt
