// What the hardware's documentation says of sectors and banks, counted.

#include "tests/simt/simt_test.h"

namespace bauta::simt {
namespace {

using runtime::Access;

int thread() { return static_cast<int>(threadIdx.x); }

__global__ void strided(int stride, Global<const float> in, Global<float> out) {
  const float value = in[thread() * stride];
  out[thread()] = value;
}

__global__ void vectors(Global<const float> in, Global<float> out) {
  store(&out[thread() * 4], load<float4>(&in[thread() * 4]));
}

struct Sectors {
  std::uint64_t load, store;
  bool operator==(const Sectors&) const = default;
};

Sectors sectors(const testing::Run& run) {
  EXPECT_TRUE(run.status.ok()) << run.status.message();
  return {run.counts().total(Space::global, Access::load).transactions,
          run.counts().total(Space::global, Access::store).transactions};
}

// 1024 aligned floats for one warp.
struct alignas(128) Memory {
  float in[1024] = {};
  float out[1024] = {};
};

testing::Run run_strided(int stride, int offset = 0) {
  Memory m;
  return testing::run({"strided", 1, 32}, strided, stride, global(m.in + offset, 1024 - offset),
                      global(m.out, 1024));
}

TEST(SimtSectors, simt_AWarpMovesOnlyTheSectorsItTouches) {
  EXPECT_EQ(sectors(run_strided(1)), (Sectors{4, 4}));
  EXPECT_EQ(sectors(run_strided(1, 1)), (Sectors{5, 4}));
  EXPECT_EQ(sectors(run_strided(2)), (Sectors{8, 4}));
  EXPECT_EQ(sectors(run_strided(32 - 1)), (Sectors{32, 4}));
  EXPECT_EQ(sectors(run_strided(0)), (Sectors{1, 4}));
  Memory m;
  EXPECT_EQ(sectors(testing::run({"vectors", 1, 32}, vectors, global(m.in, 1024), global(m.out, 1024))),
            (Sectors{16, 16}));
}

TEST(SimtSectors, simt_BytesAreWhatTheLanesAskedForAndIdealIsWithoutWaste) {
  const SiteCount loads = run_strided(2).counts().total(Space::global, Access::load);
  EXPECT_EQ(loads.requests, 1U);
  EXPECT_EQ(loads.bytes, 128U);
  EXPECT_EQ(loads.ideal, 4U);
}

template <int kPad>
__global__ void transpose(Global<const float> in, Global<float> out) {
  __shared__ Shared<float, 32, 32 + kPad> tile;
  const int x = static_cast<int>(threadIdx.x);
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8) tile[y][x] = in[y * 32 + x];
  __syncthreads();
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8) out[y * 32 + x] = tile[x][y];
}

template <int kPad>
testing::Run run_transpose() {
  Memory m;
  for (int i = 0; i < 1024; ++i) m.in[i] = static_cast<float>(i);
  testing::Run run =
      testing::run({"transpose", 1, dim3(32, 8)}, transpose<kPad>, global(m.in, 1024), global(m.out, 1024));
  EXPECT_TRUE(run.status.ok()) << run.status.message();
  for (int i = 0; i < 1024; ++i) EXPECT_EQ(m.out[i], static_cast<float>(i % 32 * 32 + i / 32));
  return run;
}

TEST(SimtBanks, simt_ATransposeConflictsThirtyTwoWaysWithoutPaddingAndNotAtAllWithIt) {
  const testing::Run plain = run_transpose<0>();
  EXPECT_EQ(plain.counts().total(Space::shared, Access::store).transactions, 32U);
  EXPECT_EQ(plain.counts().total(Space::shared, Access::load).transactions, 32U * 32U);
  EXPECT_EQ(plain.counts().total(Space::shared, Access::load).ideal, 32U);
  const testing::Run padded = run_transpose<1>();
  EXPECT_EQ(padded.counts().total(Space::shared, Access::load).transactions, 32U);
  EXPECT_EQ(padded.counts().bank_conflict_degree(), 1);
  EXPECT_EQ(padded.counts().barriers, 1U);
  EXPECT_EQ(sectors(padded), (Sectors{128, 128}));
}

__global__ void shared_vectors(int stride) {
  alignas(16) __shared__ Shared<float, 1024> s;
  store(&s[thread() * stride], float4{1, 2, 3, 4});
}

// Sixteen bytes a lane go by quarters of a warp: side by side they fill the banks, 64 bytes apart they share
// half.
TEST(SimtBanks, simt_WideAccessesGoByPartsOfAWarp) {
  const SiteCount dense =
      testing::run({"k", 1, 32}, shared_vectors, 4).counts().total(Space::shared, Access::store);
  EXPECT_EQ(dense.transactions, 4U);
  EXPECT_EQ(dense.ideal, 4U);
  const SiteCount sparse =
      testing::run({"k", 1, 32}, shared_vectors, 16).counts().total(Space::shared, Access::store);
  EXPECT_EQ(sparse.transactions, 16U);
}

__global__ void loop(Global<const float> in, Global<float> out) {
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += in[i * 32 + thread()];
  out[thread()] = sum;
}

TEST(SimtCounts, simt_TheKthAccessOfEachLaneIsOneRequestAndBlocksAddUp) {
  Memory m;
  const testing::Run run = testing::run({"loop", 3, 32}, loop, global(m.in, 1024), global(m.out, 1024));
  const SiteCount loads = run.counts().total(Space::global, Access::load);
  EXPECT_EQ(loads.requests, 3U * 4U);
  EXPECT_EQ(loads.transactions, 3U * 16U);
  ASSERT_EQ(run.counts().sites.size(), 2U);
  EXPECT_EQ(run.counts().sites[0].file, "tests/simt/simt_counts_test.cpp");
  EXPECT_LT(run.counts().sites[0].line, run.counts().sites[1].line);
}

// Even lanes have no first element to copy.
__global__ void copies(Global<const float> in, Global<float> out) {
  __shared__ Shared<float, 2, 32> s;
  for (int i = 0; i < 2; ++i) cp_async<4>(&s[i][thread()], &in[i * 32 + thread()], i + thread() % 2 > 0);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  out[thread()] = s[0][thread()] + s[1][thread()];
}

TEST(SimtCounts, simt_ACopyOfNothingButZerosTakesItsTurn) {
  Memory m;
  const testing::Run run = testing::run({"copies", 1, 32}, copies, global(m.in, 1024), global(m.out, 1024));
  const SiteCount loads = run.counts().total(Space::global, Access::load);
  EXPECT_EQ(loads.requests, 2U);
  EXPECT_EQ(loads.bytes, 64U + 128U);
  EXPECT_EQ(loads.transactions, 4U + 4U);
}

}  // namespace
}  // namespace bauta::simt
