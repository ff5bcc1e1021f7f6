// Two ranks in two threads of this process, whose watches look at those threads.
#include "engine/comm/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <sstream>
#include <thread>

#include "engine/comm/peers.h"
#include "engine/comm/socket.h"

namespace bauta {
namespace {

using namespace std::chrono_literals;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

constexpr auto kLongestWork = 1000ms;
constexpr auto kLonger = 1500ms;
// More than ten times what short work seems to take to a watch that looks five times a second.
constexpr auto kMuchLonger = 2500ms;

/// A rank and its watch.
class Rank {
 public:
  Rank(int rank, std::vector<FileDescriptor> connections, std::chrono::milliseconds first_work)
      : communicator_(std::move(*open_peers(rank, std::move(connections)))) {
    Watch::Options options;
    options.remedy = "start again";
    options.longest_work = kLongestWork;
    options.first_work = first_work;
    options.on_fault = [this](const std::string& line) { line_.set_value(line); };
    watch_ = std::move(*Watch::join(*communicator_, std::move(options)));
  }

  Activity& activity() { return communicator_->activity(); }
  bool leads() const { return communicator_->leads(); }

  /// Work that has nothing to do with the other rank.
  void compute(std::chrono::milliseconds duration = 0ms) {
    const Activity::Work work(activity());
    std::this_thread::sleep_for(duration);
  }
  /// Work that ends when the other rank has come to it, or is gone.
  void meet() {
    const Activity::Work work(activity());
    static_cast<void>(communicator_->all_gather({}));
  }
  /// Work that ends with the run, and what is said then.
  std::string hang(Activity::Kind kind) {
    const Activity::Work work(activity(), kind);
    return last_line();
  }
  /// Ends the run for a reason of its own; what is said then.
  std::string fail(const Status& reason) {
    watch_->fail(reason);
    return last_line();
  }
  /// Waits for the run's end by a fault; empty where another says why.
  std::string last_line() { return future_.get(); }
  bool ended() const { return future_.wait_for(0s) == std::future_status::ready; }

 private:
  std::promise<std::string> line_;
  std::future<std::string> future_ = line_.get_future();
  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<Watch> watch_;
};

void run(const std::function<void(Rank&)>& rank0, const std::function<void(Rank&)>& rank1,
         std::chrono::milliseconds first_work = 1min) {
  auto connections = std::move(*connect_peers(2));
  std::thread other([&] {
    Rank rank(1, std::move(connections[1]), first_work);
    rank1(rank);
  });
  {
    Rank rank(0, std::move(connections[0]), first_work);
    rank0(rank);
  }
  other.join();
}

// For a rank that hangs in the first or second piece of work, until the run ends.
void wait_for_one_that_hangs(Rank& rank) {
  rank.meet();
  rank.meet();
  EXPECT_EQ(rank.last_line(), "");
}

// Rank 0 hangs in its second piece of work, rank 1 waits for it.
void expect_to_hang(Activity::Kind kind, const std::string& what) {
  run(
      [&](Rank& rank) {
        rank.meet();
        EXPECT_THAT(rank.hang(kind), MatchesRegex("rank 0 hangs: " + what +
                                                  " has finished no batch for [0-9]+ s "
                                                  "\\(host " +
                                                  host_name() + "\\): start again"));
      },
      wait_for_one_that_hangs);
}

TEST(Watch, ARankThatHangsInItsWorkIsNamedAndNotTheOneThatWaitsForIt) {
  expect_to_hang(Activity::Kind::computes, "it");
}

TEST(Watch, AWaitForTheGpuThatDoesNotEndMayBeOneForAnyRanksGpu) {
  expect_to_hang(Activity::Kind::waits_for_gpu, "its GPU, or another's,");
}

TEST(Watch, ARankThatWaitsForAnotherDoesNotHang) {
  run(
      [](Rank& rank) {
        rank.meet();
        rank.meet();
        EXPECT_FALSE(rank.ended());
      },
      [](Rank& rank) {
        rank.meet();
        std::this_thread::sleep_for(kMuchLonger);
        rank.meet();
      });
}

TEST(Watch, ARankWithoutWorkDoesNotHang) {
  const auto idle = [](Rank& rank) {
    rank.meet();
    std::this_thread::sleep_for(kMuchLonger);
    EXPECT_FALSE(rank.ended());
  };
  run(idle, idle);
}

TEST(Watch, SlowWorkAfterSlowWorkIsNoHangAndNorIsTheFirst) {
  const auto slow = [](Rank& rank) {
    rank.compute(kLonger);
    rank.compute(kMuchLonger);
    EXPECT_FALSE(rank.ended());
  };
  run(slow, slow);
}

TEST(Watch, WorkThatIsExpectedToBeLongerMayBeSoOnceAndHangsThenToo) {
  const auto longer_work = [](Rank& rank) {
    rank.compute(100ms);  // which seems to take up to 500 ms to a watch that looks five times a second
    rank.activity().expect_longer_work(10);
    rank.compute(5500ms);
    EXPECT_FALSE(rank.ended());
  };
  run(longer_work, longer_work);
  run(
      [](Rank& rank) {
        rank.meet();
        rank.activity().expect_longer_work(2);
        EXPECT_THAT(rank.hang(Activity::Kind::computes),
                    StartsWith("rank 0 hangs: it has finished no batch"));
      },
      wait_for_one_that_hangs);
}

TEST(Watch, TheFirstPieceOfWorkHasALimitOfItsOwn) {
  run(
      [](Rank& rank) {
        EXPECT_THAT(rank.hang(Activity::Kind::computes),
                    StartsWith("rank 0 hangs: it has finished no batch for 2 s"));
      },
      wait_for_one_that_hangs, 2 * kLongestWork);
}

const Status kLostGpu = Status::fault("CUDA: unspecified launch failure", "kernel adam", "nvidia-smi tells");

TEST(Watch, AFaultOfARanksDeviceNamesTheRankAndItsHostAndHowToGoOn) {
  const auto line = [](int rank) {
    return "rank " + std::to_string(rank) + " on host " + host_name() +
           ": CUDA: unspecified launch failure (kernel adam): nvidia-smi tells; start again";
  };
  run([&](Rank& rank) { EXPECT_EQ(rank.fail(kLostGpu), line(0)); },
      [](Rank& rank) { EXPECT_EQ(rank.last_line(), ""); });
  run([](Rank& rank) { EXPECT_EQ(rank.last_line(), ""); },
      [&](Rank& rank) { EXPECT_EQ(rank.fail(kLostGpu), line(1)); });
}

TEST(Watch, WhatFailsOnAllRanksAlikeIsSaidByRank0WithoutAName) {
  const Status nan = Status::error("the loss is not finite", "step 3", "use a smaller --lr");
  run([&](Rank& rank) { EXPECT_EQ(rank.fail(nan), nan.message()); },
      [&](Rank& rank) { EXPECT_EQ(rank.fail(nan), ""); });
}

// More of them than a rank that joins would wait for, if each was heard out first.
TEST(Watch, StrangersWhoSayNothingKeepNobodyWaiting) {
  Watch::Options options;
  options.on_fault = [](const std::string& line) { ADD_FAILURE() << line; };
  const auto starter = std::move(*Watch::start(1, options));
  options.starter = starter->invitation();
  std::istringstream invitation(options.starter);  // "token port address ..."
  std::uint64_t token = 0;
  std::uint16_t port = 0;
  invitation >> token >> port;
  std::array<FileDescriptor, 8> strangers;
  for (FileDescriptor& stranger : strangers) stranger = connect_to("127.0.0.1", port, 1000ms);
  ASSERT_TRUE(send_all(strangers.front(), std::as_bytes(std::span("who")), 1000ms));

  const auto communicator = std::move(*open_peers(0, std::vector<FileDescriptor>(1)));
  const auto rank = Watch::join(*communicator, options);
  EXPECT_TRUE(rank.ok()) << rank.status().message();
  EXPECT_EQ(starter->joined(), 1);
}

TEST(Watch, AProcessThatIsStoppedForAWhileDoesNotHang) {
  const pid_t stopped = ::fork();
  if (stopped == 0) {
    const auto work_on = [](Rank& rank) {
      rank.meet();
      const Activity::Work work(rank.activity());
      std::this_thread::sleep_for(kLongestWork / 4);  // in which the watch looks, as below
      if (rank.leads()) ::raise(SIGSTOP);
      std::this_thread::sleep_for(kLongestWork / 4);
      EXPECT_FALSE(rank.ended());
    };
    run(work_on, work_on);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(stopped, &status, WUNTRACED), stopped);
  ASSERT_TRUE(WIFSTOPPED(status));
  std::this_thread::sleep_for(6s);
  ::kill(stopped, SIGCONT);
  ASSERT_EQ(::waitpid(stopped, &status, 0), stopped);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace bauta
