#include "kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace bauta {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (int count : {0, 1, 2, 7, 100}) {
      std::vector<int> runs(static_cast<std::size_t>(count), 0);
      pool.parallel_for(count, [&](int index, int) { ++runs[static_cast<std::size_t>(index)]; });
      EXPECT_EQ(runs, std::vector<int>(static_cast<std::size_t>(count), 1)) << threads << " threads";
    }
  }
}

TEST(ThreadPool, CallsOfOneThreadDoNotOverlap) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<int> overlaps = 0;
  for (int repeat = 0; repeat < 1000; ++repeat) {
    pool.parallel_for(16, [&](int, int thread) {
      std::atomic<int>& mine = inside.at(static_cast<std::size_t>(thread));
      if (mine.fetch_add(1) != 0) ++overlaps;
      mine.fetch_sub(1);
    });
  }
  EXPECT_EQ(overlaps, 0);
}

}  // namespace
}  // namespace bauta
