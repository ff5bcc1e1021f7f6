// What ranks tell each other: every test runs on all ranks at once, over MPI under mpirun, or with --peers N
// as N processes of this host.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string_view>

#include "engine/comm/peers.h"
#include "optim/run_config.h"
#include "optim/trainer.h"

namespace bauta::testing {
namespace {

Communicator* ranks = nullptr;

// What rank `rank` brings: numbers whose sum depends on the order of adding.
template <class T>
std::vector<T> numbers(int rank, std::size_t size) {
  std::vector<T> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    values[i] = static_cast<T>(1 + static_cast<int>(i % 1000)) / static_cast<T>(3 + rank * rank);
  }
  return values;
}

// Their sum in the one order: neighbours, then pairs of neighbours, and so on.
template <class T>
std::vector<T> sum_of_tree(int first, int count, std::size_t size) {
  if (count == 1) return numbers<T>(first, size);
  std::vector<T> sum = sum_of_tree<T>(first, count / 2, size);
  const std::vector<T> right = sum_of_tree<T>(first + count / 2, count / 2, size);
  for (std::size_t i = 0; i < size; ++i) sum[i] += right[i];
  return sum;
}

void start_sum(std::span<float> values) { ranks->start_sum(values, Context()); }
void start_sum(std::span<double> values) { ranks->start_sum(values); }

template <class T>
class Sums : public ::testing::Test {};
using Numbers = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Sums, Numbers);

TYPED_TEST(Sums, AreMadeByOneTreeWithTheSameBitsOnEveryRank) {
  constexpr std::size_t kSize = 700'001;  // several chunks and a bit
  std::vector<TypeParam> values = numbers<TypeParam>(ranks->rank(), kSize);
  start_sum(std::span(values));
  ASSERT_TRUE(ranks->finish().ok());
  if (std::has_single_bit(static_cast<unsigned>(ranks->size()))) {
    EXPECT_EQ(values, sum_of_tree<TypeParam>(0, ranks->size(), kSize));
  } else {
    std::vector<double> expected(kSize);
    for (int rank = 0; rank < ranks->size(); ++rank) {
      const std::vector<TypeParam> theirs = numbers<TypeParam>(rank, kSize);
      for (std::size_t i = 0; i < kSize; ++i) expected[i] += theirs[i];
    }
    for (std::size_t i = 0; i < kSize; ++i) ASSERT_NEAR(values[i], expected[i], 1e-6 * expected[i]) << i;
  }
  const auto all = ranks->all_gather(std::string(reinterpret_cast<const char*>(values.data()), 4096));
  ASSERT_TRUE(all.ok());
  for (const std::string& other : *all) EXPECT_EQ(other, all->front());
}

TEST(Communicator, MakesSeveralSumsAtATimeInTheirOrder) {
  std::vector<std::vector<float>> buckets;
  for (std::size_t size : {1, 100'000, 0, 3})
    buckets.emplace_back(size, static_cast<float>(ranks->rank() + 1));
  for (std::vector<float>& bucket : buckets) start_sum(std::span(bucket));
  ASSERT_TRUE(ranks->finish().ok());
  const int ranks_from_one = ranks->size() * (ranks->size() + 1) / 2;
  const auto expected = static_cast<float>(ranks_from_one);
  for (const std::vector<float>& bucket : buckets) {
    for (float value : bucket) ASSERT_EQ(value, expected);
  }
}

TEST(Communicator, GivesEveryRankWhatRank0Has) {
  std::vector<int> values(600'000, ranks->rank());
  if (ranks->leads()) std::iota(values.begin(), values.end(), 7);
  ASSERT_TRUE(broadcast(*ranks, std::span(values)).ok());
  EXPECT_EQ(values.front(), 7);
  EXPECT_EQ(values.back(), 600'006);
}

TEST(Communicator, GathersTextsOfAnyLength) {
  const auto text = [](int rank) { return std::string(static_cast<std::size_t>(rank * 1000), 'x'); };
  const auto all = ranks->all_gather(text(ranks->rank()));
  ASSERT_TRUE(all.ok());
  for (int rank = 0; rank < ranks->size(); ++rank)
    EXPECT_EQ((*all)[static_cast<std::size_t>(rank)], text(rank));
}

TEST(Agree, IsTheFirstFailureWithItsRanksName) {
  EXPECT_TRUE(agree(*ranks, {}).ok());
  const Status mine = ranks->rank() == 0 ? Status() : Status::usage("no data", "faces", "look for it");
  const Status told = agree(*ranks, mine);
  EXPECT_EQ(told.message(), "rank 1 on host " + ranks->hosts()[1] + ": no data (faces): look for it");
  EXPECT_TRUE(told.is_usage());
}

TEST(Agree, KeepsAFaultAFault) {
  const Status told = agree(*ranks, ranks->rank() == 0 ? Status::fault("the GPU is gone") : Status());
  EXPECT_EQ(told.message(), "the GPU is gone");
  EXPECT_TRUE(told.is_fault());
}

TEST(SameWeights, AreConfirmedAndADriftOfOneBitIsNamed) {
  std::vector<float> weights(1000, 0.1F);
  EXPECT_TRUE(check_same_weights(*ranks, {}, weights, 3).ok());
  if (ranks->rank() == 1) weights[500] = std::nextafter(weights[500], 1.0F);
  const Status drifted = check_same_weights(*ranks, {}, weights, 3);
  EXPECT_NE(drifted.message().find("the weights of rank 1 on host"), std::string::npos) << drifted.message();
  EXPECT_NE(drifted.message().find("epoch 3"), std::string::npos);
}

TEST(SameRun, AnotherOptionIsRefusedByRankAndName) {
  EXPECT_TRUE(check_same_on_all_ranks(*ranks, R"({"lr":0.1,"data":"a"})").ok());
  const char* config = ranks->rank() == 1 ? R"({"lr":0.1,"data":"b"})" : R"({"lr":0.1,"data":"a"})";
  const Status other = check_same_on_all_ranks(*ranks, config);
  EXPECT_EQ(other.message(), "rank 1 on host " + ranks->hosts()[1] +
                                 R"( has the data "b", rank 0 has "a": give every host the same images, )"
                                 "best as one pack (bauta data pack)");
  const char* mix = ranks->rank() == 1 ? R"({"device":"cpu avx2"})" : R"({"device":"cpu portable"})";
  const Status mixed = check_same_on_all_ranks(*ranks, mix);
  EXPECT_NE(mixed.message().find(R"(has the device "cpu avx2", rank 0 has "cpu portable": set BAUTA_ISA)"),
            std::string::npos)
      << mixed.message();
  const char* kinds = ranks->rank() == 1 ? R"({"device":"simt"})" : R"({"device":"cpu avx2"})";
  const Status unlike = check_same_on_all_ranks(*ranks, kinds);
  EXPECT_TRUE(unlike.message().ends_with("start every rank with the same --device")) << unlike.message();
}

}  // namespace
}  // namespace bauta::testing

namespace {

int run_tests(const bauta::Result<std::unique_ptr<bauta::Communicator>>& communicator) {
  if (!communicator.ok() || (*communicator)->size() < 2) {
    return std::fprintf(stderr, "start this with mpirun -np 2 or more, or with --peers 2 or more\n"), 1;
  }
  bauta::testing::ranks = communicator->get();
  return RUN_ALL_TESTS();
}

// This program as so many processes; 0 where all of them end well.
int run_peers(int count) {
  auto connections = std::move(*bauta::connect_peers(count));
  for (int rank = 0; rank < count; ++rank) {
    if (::fork() != 0) continue;
    auto own = std::move(connections[static_cast<std::size_t>(rank)]);
    connections.clear();
    return run_tests(bauta::open_peers(rank, std::move(own)));
  }
  connections.clear();
  int failures = 0;
  for (int status = 0; ::wait(&status) > 0;) failures += status == 0 ? 0 : 1;
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::string_view(argv[1]) == "--peers") return run_peers(std::atoi(argv[2]));
  return run_tests(bauta::open_communicator());
}
