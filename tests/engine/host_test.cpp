#include "engine/core/host.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/engine/temporary_folder.h"

namespace bauta {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

/// Control groups as the kernel shows them, each in a folder: /pod with a limit, /pod/app without.
class Cgroups : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "cgroup/pod/app");
    limit("pod", "2147483648");
    limit("pod/app", "max");
  }
  void limit(const std::string& group, const std::string& text) const {
    std::ofstream(root() + "/" + group + "/memory.max") << text << "\n";
  }
  std::string root() const { return folder_ / "cgroup"; }

 private:
  TemporaryFolder folder_;
};

TEST_F(Cgroups, AGroupHasTheLimitOfTheOneThatItLiesIn) {
  EXPECT_EQ(cgroup_memory_limit("/pod/app", root()), std::size_t{2} << 30);
}

TEST_F(Cgroups, TheLeastLimitCounts) {
  limit("pod/app", "1048576");
  EXPECT_EQ(cgroup_memory_limit("/pod/app", root()), std::size_t{1} << 20);
  limit("pod", "4096");
  EXPECT_EQ(cgroup_memory_limit("/pod/app", root()), 4096U);
}

TEST_F(Cgroups, TheLimitOfAContainerIsTheRootsOwn) {
  limit("", "4096");
  EXPECT_EQ(cgroup_memory_limit("/", root()), 4096U);
}

TEST_F(Cgroups, WhereNoneIsSetThereIsNoLimit) {
  limit("pod", "max");
  EXPECT_EQ(cgroup_memory_limit("/pod/app", root()), kNoLimit);
  EXPECT_EQ(cgroup_memory_limit("/", root()), kNoLimit);
  EXPECT_EQ(cgroup_memory_limit("", "/nowhere"), kNoLimit);
}

TEST(Host, TheCoresOfAProcessAreThoseOfItsAffinity) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  EXPECT_EQ(usable_cores(), CPU_COUNT(&all));
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

TEST(Host, AProcessMayUseSomeMemory) {
  EXPECT_GT(usable_memory(), std::size_t{1} << 20);
  EXPECT_LT(usable_memory(), kNoLimit);
}

}  // namespace
}  // namespace bauta
