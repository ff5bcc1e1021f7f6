// What CUDA's words and PTX's instructions do under simt, against plain loops.

#include "tests/simt/simt_test.h"

namespace bauta::simt {
namespace {

int thread() { return static_cast<int>(threadIdx.x); }

template <class... Parameters, class... Arguments>
void run_well(const Launch& shape, void (*kernel)(Parameters...), const Arguments&... arguments) {
  const testing::Run result = testing::run(shape, kernel, arguments...);
  EXPECT_TRUE(result.status.ok()) << result.status.message();
}

__global__ void indices(Global<int> out) {
  const dim3 t = threadIdx;
  const unsigned in_block = (t.z * blockDim.y + t.y) * blockDim.x + t.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned i = block * static_cast<unsigned>(blockDim.count()) + in_block;
  out[i] = static_cast<int>(i);
}

TEST(SimtWords, simt_EveryThreadOfEveryBlockRunsOnce) {
  const dim3 grid(3, 2, 2);
  const dim3 block(5, 4, 3);
  std::vector<int> out(static_cast<std::size_t>(grid.count() * block.count()), -1);
  ThreadPool pool(3);
  Context context;
  context.pool = &pool;
  EXPECT_TRUE(launch(context, {"indices", grid, block}, indices, testing::global(out)).ok());
  EXPECT_EQ(out, testing::counting<int>(static_cast<int>(out.size())));
}

__global__ void shuffles(Global<int> out) {
  const int lane = thread();
  out[lane] = __shfl_sync(~0U, lane * 10, 7);
  out[32 + lane] = __shfl_xor_sync(~0U, lane, 5);
  out[64 + lane] = __shfl_down_sync(~0U, lane, 3);
  out[96 + lane] = __shfl_up_sync(~0U, lane, 3);
  out[128 + lane] = __shfl_sync(~0U, lane, 2, 8);
  out[160 + lane] = __shfl_down_sync(~0U, lane, 3, 8);
  if (lane % 2 == 0) out[192 + lane] = __shfl_xor_sync(0x55555555, lane, 2);
}

TEST(SimtWords, simt_ShufflesTakeTheValueOfTheirSource) {
  std::vector<int> out(224);
  run_well({"shuffles", 1, 32}, shuffles, testing::global(out));
  for (int lane = 0; lane < 32; ++lane) {
    const auto at = [&](int part) { return out[static_cast<std::size_t>(part * 32 + lane)]; };
    EXPECT_EQ(at(0), 70);
    EXPECT_EQ(at(1), lane ^ 5);
    EXPECT_EQ(at(2), lane + 3 < 32 ? lane + 3 : lane);
    EXPECT_EQ(at(3), lane >= 3 ? lane - 3 : lane);
    EXPECT_EQ(at(4), lane / 8 * 8 + 2);
    EXPECT_EQ(at(5), lane % 8 + 3 < 8 ? lane + 3 : lane);
    if (lane % 2 == 0) {
      EXPECT_EQ(at(6), lane ^ 2);
    }
  }
}

__global__ void votes(Global<unsigned> out) {
  const int lane = thread();
  out[lane] = __ballot_sync(~0U, lane % 3 == 0);
  out[32 + lane] = __any_sync(~0U, lane == 9) ? 1 : 0;
  out[64 + lane] = __any_sync(~0U, false) ? 1 : 0;
  out[96 + lane] = __all_sync(~0U, lane < 32) ? 1 : 0;
  out[128 + lane] = __all_sync(~0U, lane != 9) ? 1 : 0;
}

TEST(SimtWords, simt_VotesCountEveryLane) {
  std::vector<unsigned> out(160);
  run_well({"votes", 1, 32}, votes, testing::global(out));
  unsigned thirds = 0;
  for (unsigned lane = 0; lane < 32; lane += 3) thirds |= 1U << lane;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(out[lane], thirds);
    EXPECT_EQ(out[32 + lane], 1U);
    EXPECT_EQ(out[64 + lane], 0U);
    EXPECT_EQ(out[96 + lane], 1U);
    EXPECT_EQ(out[128 + lane], 0U);
  }
}

__global__ void histogram(Global<const int> in, Global<int> bins, Global<float> sum, Global<int> extremes) {
  __shared__ Shared<int, 8> mine;
  if (thread() < 8) mine[thread()] = 0;
  __syncthreads();
  const int value = in[static_cast<int>(blockIdx.x) * 64 + thread()];
  atomicAdd(&mine[value % 8], 1);
  atomicAdd(&sum[0], 0.5F);
  atomicMin(&extremes[0], value);
  atomicMax(&extremes[1], value);
  atomicCAS(&extremes[2], value, -1);
  __syncthreads();
  if (thread() < 8) atomicAdd(&bins[thread()], mine[thread()]);
}

TEST(SimtWords, simt_AtomicsLoseNothing) {
  std::vector<int> in = testing::counting<int>(64 * 8);
  std::vector<int> bins(8);
  std::vector<float> sum(1);
  std::vector<int> extremes{1000, -1000, 77};
  ThreadPool pool(3);
  Context context;
  context.pool = &pool;
  EXPECT_TRUE(launch(context, {"histogram", 8, 64}, histogram, testing::global(in), testing::global(bins),
                     testing::global(sum), testing::global(extremes))
                  .ok());
  EXPECT_EQ(bins, std::vector<int>(8, 64));
  EXPECT_EQ(sum[0], 256.0F);
  EXPECT_EQ(extremes, (std::vector<int>{0, 511, -1}));
}

// A sum over a warp through shared memory, as the last steps of a reduction are written.
__global__ void warp_sum(Global<float> out) {
  __shared__ Shared<float, 32> s;
  const int lane = thread();
  s[lane] = static_cast<float>(lane);
  __syncwarp();
  for (int step = 16; step > 0; step /= 2) {
    if (lane < step) s[lane] += s[lane + step];
    __syncwarp();
  }
  out[lane] = s[0];
}

__global__ void halves(Global<float> out) {
  __shared__ Shared<float, 32> s;
  const int lane = thread();
  const unsigned half = lane < 16 ? 0x0000FFFFU : 0xFFFF0000U;
  s[lane] = static_cast<float>(lane);
  __syncwarp(half);
  out[lane] = s[lane ^ 15];
}

TEST(SimtWords, simt_WarpBarriersOrderTheirLanes) {
  std::vector<float> out(32);
  run_well({"warp_sum", 1, 32}, warp_sum, testing::global(out));
  EXPECT_EQ(out, std::vector<float>(32, 496.0F));
  run_well({"halves", 1, 32}, halves, testing::global(out));
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[static_cast<std::size_t>(lane)], static_cast<float>(lane ^ 15));
}

__global__ void dynamic_arrays(Global<float> out) {
  auto&& first = dynamic_shared<Shared<float, 2, 32>>();
  auto&& second = dynamic_shared<Shared<int, 32>>(256);
  const int lane = thread();
  first[1][lane] = static_cast<float>(lane);
  second[lane] = 31 - lane;
  __syncthreads();
  const int source = second[lane];
  out[lane] = first[1][source];
}

TEST(SimtWords, simt_DynamicSharedMemoryHoldsSeveralArrays) {
  std::vector<float> out(32);
  run_well({"dynamic", 1, 32, 384}, dynamic_arrays, testing::global(out));
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[static_cast<std::size_t>(lane)], static_cast<float>(31 - lane));
}

__global__ void pipeline(Global<const float> in, Global<float> out) {
  __shared__ Shared<float, 2, 32> s;
  const int lane = thread();
  cp_async<4>(&s[0][lane], &in[lane]);
  cp_async_commit();
  for (int i = 0; i < 4; ++i) {
    const int next = (i + 1) * 32 + lane;
    const bool inside = next < 100;
    if (i < 3) cp_async<4>(&s[(i + 1) % 2][lane], &in[inside ? next : 0], inside);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();
    out[i * 32 + lane] = s[i % 2][31 - lane];
    __syncthreads();
  }
}

TEST(SimtPtx, simt_CpAsyncPipelinesAndFillsWithZeros) {
  std::vector<float> in = testing::counting<float>(100);
  std::vector<float> out(128);
  run_well({"pipeline", 1, 32}, pipeline, testing::global(in), testing::global(out));
  for (int i = 0; i < 128; ++i) {
    const int source = i / 32 * 32 + 31 - i % 32;
    EXPECT_EQ(out[static_cast<std::size_t>(i)], source < 100 ? static_cast<float>(source) : 0.0F) << i;
  }
}

// C [16][8] = A [16][16] · B [16][8]: the fragments come from shared memory by ldmatrix, B's transposed.
__global__ void product_bf16(Global<const float> a, Global<const float> b, Global<float> c) {
  alignas(16) __shared__ Shared<bf16, 16, 24> a_tile;
  alignas(16) __shared__ Shared<bf16, 16, 24> b_tile;
  const int lane = thread();
  for (int i = lane; i < 256; i += 32) a_tile[i / 16][i % 16] = to_bf16(a[i]);
  for (int i = lane; i < 256; i += 32)
    b_tile[i / 16][i % 16] = to_bf16(i % 16 < 8 ? float{b[i / 16 * 8 + i % 16]} : 0.0F);
  __syncwarp();
  unsigned as[4];
  unsigned bs[4];
  ldmatrix_x4(as, &a_tile[lane % 16][lane / 16 * 8]);
  ldmatrix_x4<true>(bs, &b_tile[lane % 16][lane / 16 * 8]);
  const unsigned b_left[2] = {bs[0], bs[1]};
  float sums[4] = {};
  mma_m16n8k16(sums, as, b_left);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

// Small whole numbers: exact in bf16, and so is their product.
std::vector<float> small_numbers(int size, int step) {
  std::vector<float> values;
  for (int i = 0; i < size; ++i) values.push_back(static_cast<float>(i * step % 17 - 8));
  return values;
}

void expect_product(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c) {
  constexpr int k = 16;
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0;
      for (int i = 0; i < k; ++i) {
        sum += a[static_cast<std::size_t>(row * k + i)] * b[static_cast<std::size_t>(i * 8 + column)];
      }
      EXPECT_EQ(c[static_cast<std::size_t>(row * 8 + column)], sum) << row << "," << column;
    }
  }
}

TEST(SimtPtx, simt_MmaOfBf16IsAProductOfMatrices) {
  std::vector<float> a = small_numbers(256, 5);
  std::vector<float> b = small_numbers(128, 7);
  std::vector<float> c(128);
  const testing::Run result =
      testing::run({"bf16", 1, 32}, product_bf16, testing::global(a), testing::global(b), testing::global(c));
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  expect_product(a, b, c);
  EXPECT_EQ(result.counts().mma, 1U);
  EXPECT_EQ(result.counts().warp_barriers, 1U);
}

// In each round a group's threads write their words and read one another's: group g has g + 1 rounds.
__global__ void rounds_of_groups(Global<float> out) {
  __shared__ Shared<float, 3, 64> s;
  const int group = static_cast<int>(threadIdx.y);
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int round = 0; round <= group; ++round) {
    s[group][thread] = static_cast<float>(thread + round);
    sync_group();
    sum += s[group][63 - thread];
    sync_group();
  }
  out[group * 64 + thread] = sum;
}

TEST(SimtPtx, simt_GroupsOfABlockWaitForThemselvesAlone) {
  std::vector<float> out(3 * 64);
  const testing::Run result =
      testing::run({"groups", 1, dim3(64, 3)}, rounds_of_groups, testing::global(out));
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(out[0], 63.0F);
  EXPECT_EQ(out[64 + 63], 0.0F + 1.0F);
  EXPECT_EQ(out[128 + 10], 53.0F + 54.0F + 55.0F);
  EXPECT_EQ(result.counts().barriers, 2U * (1 + 2 + 3));
}

TEST(SimtPtx, simt_RoundsToBf16) {
  EXPECT_EQ(to_float(to_bf16(1.0F)), 1.0F);
  EXPECT_EQ(to_float(to_bf16(1.0F + 1.0F / 256)), 1.0F);               // a tie, to even
  EXPECT_EQ(to_float(to_bf16(1.0F + 3.0F / 256)), 1.0F + 2.0F / 128);  // a tie, to even
  EXPECT_TRUE(std::isnan(to_float(to_bf16(NAN))));
  EXPECT_EQ(pack_bf16(1.0F, -2.0F), 0xC0003F80U);
}

}  // namespace
}  // namespace bauta::simt
