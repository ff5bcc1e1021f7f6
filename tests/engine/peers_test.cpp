#include "engine/comm/peers.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "engine/comm/world.h"

namespace bauta {
namespace {

TEST(Peers, ARankThatIsGoneIsAnErrorAtOnce) {
  auto connections = std::move(*connect_peers(2));
  std::thread short_lived([&] { EXPECT_TRUE(open_peers(1, std::move(connections[1])).ok()); });
  const auto rank0 = open_peers(0, std::move(connections[0]));
  short_lived.join();
  ASSERT_TRUE(rank0.ok()) << rank0.status().message();
  std::vector<float> values = {1};
  (*rank0)->start_sum(std::span(values), Context());
  EXPECT_EQ((*rank0)->finish().message(), "rank 1 has closed its connection (rank 0): see what it said last");
}

TEST(Peers, TheirConnectionsComeFromTheProcessThatStartedThem) {
  ::setenv(kPeersVariable, "1 7 -1 9", 1);
  const World world = launched_world();
  ::unsetenv(kPeersVariable);
  EXPECT_EQ(world.rank, 1);
  EXPECT_EQ(world.size, 3);
  EXPECT_EQ(world.connections, (std::vector{7, -1, 9}));
  EXPECT_EQ(world.launcher, "bauta train --devices 3");
}

TEST(Peers, WhatIsNoConnectionIsRefused) {
  std::vector<FileDescriptor> connections(2);
  connections[0] = FileDescriptor(1'000'000);
  EXPECT_EQ(open_peers(1, std::move(connections)).status().message(),
            "descriptor 1000000 is no connection to a rank (BAUTA_PEERS): unset this variable");
}

TEST(GpusForRanks, AreOneEachOrTheWaysOutAreNamed) {
  EXPECT_TRUE(check_gpus_for_ranks(8, 8, true).ok());
  EXPECT_EQ(check_gpus_for_ranks(2, 1, true).message(),
            "there is 1 GPU for 2 ranks (--devices 2): use --devices 1, or --device cpu");
  EXPECT_EQ(check_gpus_for_ranks(8, 4, false).message(),
            "there are 4 GPUs for 8 ranks (--devices 8): use --devices 4, or --device cpu");
  EXPECT_EQ(check_gpus_for_ranks(2, 2, false).message(),
            "this build has no NCCL, by which GPUs add up their gradients (--devices 2): "
            "install libnccl-dev and build with -DBAUTA_NCCL=ON, or use --devices 1, or --device cpu");
}

}  // namespace
}  // namespace bauta
