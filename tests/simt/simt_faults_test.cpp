// Small kernels, each with one fault planted, and each reported at its line.

#include "tests/simt/simt_test.h"

namespace bauta::simt {
namespace {

int thread() { return static_cast<int>(threadIdx.x); }

__global__ void divergent_barrier(Global<float> out) {
  if (thread() < 32) __syncthreads();  // divergent barrier
  out[thread()] = 1;
}

__global__ void barrier_after_return(Global<float> out) {
  if (thread() == 5) return;
  __syncthreads();  // barrier after return
  out[thread()] = 1;
}

__global__ void two_barriers(Global<float> out) {
  if (thread() % 2 == 0) {
    __syncthreads();  // two barriers
  } else {
    __syncthreads();
  }
  out[thread()] = 1;
}

__global__ void missing_nothing(Global<float> out) {
  __shared__ Shared<float, 64> s;
  s[thread()] = 1;
  __syncthreads();
  out[thread()] = s[63 - thread()];
}

__global__ void missing_barrier(Global<float> out) {
  __shared__ Shared<float, 64> s;
  s[thread()] = 1;
  out[thread()] = s[63 - thread()];  // missing barrier
}

__global__ void write_after_read(Global<float> out) {
  __shared__ Shared<float, 64> s;
  s[thread()] = 1;
  __syncthreads();
  out[thread()] = s[(thread() + 1) % 64];
  s[thread()] = 2;  // write after read
}

// Every lane of a warp has read the word when one of them writes it.
__global__ void write_after_many_reads(Global<float> out) {
  __shared__ Shared<float, 1> s;
  if (thread() == 0) s[0] = 1;
  __syncthreads();
  const float value = s[0];
  if (thread() == 15) s[0] = value + 1;  // write after many reads
  out[thread()] = value;
}

__global__ void partial_warp_barrier(Global<float> out) {
  __shared__ Shared<float, 32> s;
  s[thread()] = 1;
  if (thread() < 16) __syncwarp(0x0000FFFF);
  out[thread()] = s[31 - thread()];  // partial warp barrier
}

// A barrier of warp 1 says nothing of what warp 0 has read.
__global__ void another_warps_barrier(Global<float> out) {
  __shared__ Shared<float, 1> s;
  if (thread() == 0) s[0] = 1;
  __syncthreads();
  float value = 0;
  if (thread() < 32) value = s[0];
  if (thread() >= 32) __syncwarp();
  if (thread() == 32) s[0] = 2;  // another warp's barrier
  out[thread()] = value;
}

__global__ void barrier_of_half_a_warp(Global<float> out) {
  if (thread() >= 32) __syncwarp(~0U);  // barrier of half a warp
  out[thread()] = 1;
}

__global__ void warp_barriers_at_two_lines(Global<float> out) {
  if (thread() % 2 == 0) {
    __syncwarp();  // warp barriers at two lines
  } else {
    __syncwarp();
  }
  out[thread()] = 1;
}

__global__ void group_barrier_after_return(Global<float> out) {
  if (threadIdx.y == 1 && thread() < 5) return;
  sync_group();  // group barrier after return
  out[thread()] = 1;
}

// A barrier of group 1 says nothing of what group 0 has written.
__global__ void another_groups_barrier(Global<float> out) {
  __shared__ Shared<float, 1> s;
  if (threadIdx.y == 0 && thread() == 0) s[0] = 1;
  sync_group();
  if (threadIdx.y == 1) out[thread()] = s[0];  // another group's barrier
}

// Nor of what it has read.
__global__ void write_after_another_groups_reads(Global<float> out) {
  __shared__ Shared<float, 1> s;
  if (threadIdx.y == 0 && thread() == 0) s[0] = 1;
  __syncthreads();
  out[thread()] = s[0];
  sync_group();
  if (threadIdx.y == 1 && thread() == 0) s[0] = 2;  // write after another group's reads
}

__global__ void group_of_half_a_warp(Global<float> out) {
  sync_group();  // group of half a warp
  out[thread()] = 1;
}

__global__ void one_group_too_many(Global<float> out) {
  sync_group();  // one group too many
  out[thread()] = 1;
}

__global__ void copy_behind_the_array(Global<const float> in, Global<float> out) {
  alignas(16) __shared__ Shared<float, 30> s;
  if (thread() == 0) cp_async<16>(&s[28], &in[0]);  // copy behind the array
  out[thread()] = 0;
}

__global__ void atomic_and_plain(Global<float> out) {
  __shared__ Shared<int, 1> s;
  if (thread() == 0) s[0] = 0;
  __syncthreads();
  atomicAdd(&s[0], 1);
  out[thread()] = static_cast<float>(int{s[0]});  // atomic and plain
}

__global__ void shared_overflow(Global<float> out) {
  __shared__ Shared<float, 2, 32> s;
  for (int i = 0; i <= 32; ++i) {
    if (thread() == 0) s[0][i] = 1;  // shared overflow
  }
  out[thread()] = 0;
}

__global__ void global_overflow(int size, Global<float> out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= size) out[i] = 1;  // global overflow
}

__global__ void before_the_array(Global<const float> in, Global<float> out) {
  const auto row = in + 8;
  out[thread()] = row[-9];  // before the array
}

__global__ void misaligned(Global<const float> in, Global<float> out) {
  const float4 v = load<float4>(&in[thread() + 1]);  // misaligned
  out[thread()] = v.x;
}

__global__ void misaligned_array(Global<float> out) {
  auto&& s = dynamic_shared<Shared<float, 64>>(4);
  s[thread()] = 1;
  __syncthreads();
  if (thread() == 0) out[0] = load<float4>(&s[0]).x;  // misaligned array
}

__global__ void uninitialised(Global<float> out) {
  __shared__ Shared<float, 64> s;
  if (thread() != 7) s[thread()] = 1;
  __syncthreads();
  out[thread()] = s[63 - thread()];  // uninitialised
}

__global__ void uninitialised_sum(Global<float> out) {
  __shared__ Shared<float, 64> s;
  s[thread()] += 1;  // uninitialised sum
  out[thread()] = s[thread()];
}

__global__ void lane_outside_its_mask(Global<float> out) {
  out[thread()] = __shfl_xor_sync(0x7FFFFFFF, 1.0F, 1);  // lane outside its mask
}

__global__ void source_outside_the_mask(Global<float> out) {
  if (thread() < 16) out[thread()] = __shfl_sync(0xFFFF, 1.0F, 20);  // source outside the mask
}

__global__ void divergent_shuffle(Global<float> out) {
  float value = 1;
  if (thread() != 9) value = __shfl_down_sync(~0U, value, 1);  // divergent shuffle
  out[thread()] = value;
}

__global__ void copy_without_wait(Global<const float> in, Global<float> out) {
  alignas(16) __shared__ Shared<float, 256> s;
  cp_async<16>(&s[thread() * 4], &in[thread() * 4]);
  cp_async_commit();
  __syncthreads();
  out[thread()] = s[thread()];  // copy without wait
}

__global__ void copy_waited_for_too_little(Global<const float> in, Global<float> out) {
  __shared__ Shared<float, 2, 64> s;
  for (int i = 0; i < 2; ++i) {
    cp_async<4>(&s[i][thread()], &in[i * 64 + thread()]);
    cp_async_commit();
  }
  cp_async_wait<1>();
  out[thread()] = s[0][thread()];
  out[thread()] = s[1][thread()];  // copy waited for too little
}

__global__ void dynamic_shared_too_small(Global<float> out) {
  auto&& s = dynamic_shared<Shared<float, 64>>(128);  // dynamic shared too small
  s[thread()] = 1;
  out[thread()] = s[thread()];
}

// Twice the data that 64 threads need.
std::vector<float> numbers() { return testing::counting<float>(256); }

struct Planted {
  const char* name;  ///< of the kernel, and the marker of its line
  FaultKind kind;
  void (*kernel)(Global<float>) = nullptr;
  void (*copying_kernel)(Global<const float>, Global<float>) = nullptr;
  dim3 threads = 64;
  std::size_t dynamic_shared = 0;

  friend std::ostream& operator<<(std::ostream& out, const Planted& planted) { return out << planted.name; }
};

class SimtFaults : public ::testing::TestWithParam<Planted> {};

TEST_P(SimtFaults, simt_ReportsItAtItsLine) {
  const Planted& planted = GetParam();
  std::vector<float> in = numbers();
  std::vector<float> out(64);
  const Launch shape{planted.name, 1, planted.threads, planted.dynamic_shared};
  const testing::Run result =
      planted.kernel != nullptr
          ? testing::run(shape, planted.kernel, testing::global(out))
          : testing::run(shape, planted.copying_kernel, testing::global(in), testing::global(out));
  ASSERT_EQ(result.log.faults.size(), 1U) << result.status.message();
  const Fault& fault = result.log.faults.front();
  EXPECT_EQ(fault.kind, planted.kind) << fault.status.message();
  EXPECT_EQ(fault.file, "tests/simt/simt_faults_test.cpp");
  const unsigned line = testing::line_of(fault.file, planted.name);
  EXPECT_TRUE(fault.line == line || fault.other_line == line) << fault.status.message();
  EXPECT_EQ(fault.kernel, planted.name);
  EXPECT_EQ(result.status.message(), fault.status.message());
}

INSTANTIATE_TEST_SUITE_P(
    Planted, SimtFaults,
    ::testing::Values(
        Planted{"divergent barrier", FaultKind::barrier, divergent_barrier},
        Planted{"barrier after return", FaultKind::barrier, barrier_after_return},
        Planted{"two barriers", FaultKind::barrier, two_barriers},
        Planted{"missing barrier", FaultKind::race, missing_barrier},
        Planted{"write after read", FaultKind::race, write_after_read},
        Planted{"write after many reads", FaultKind::race, write_after_many_reads, nullptr, 16},
        Planted{"partial warp barrier", FaultKind::race, partial_warp_barrier, nullptr, 32},
        Planted{"another warp's barrier", FaultKind::race, another_warps_barrier},
        Planted{"barrier of half a warp", FaultKind::barrier, barrier_of_half_a_warp, nullptr, 48},
        Planted{"warp barriers at two lines", FaultKind::barrier, warp_barriers_at_two_lines, nullptr, 32},
        Planted{"group barrier after return", FaultKind::barrier, group_barrier_after_return, nullptr,
                dim3(64, 2)},
        Planted{"another group's barrier", FaultKind::race, another_groups_barrier, nullptr, dim3(64, 2)},
        Planted{"write after another group's reads", FaultKind::race, write_after_another_groups_reads,
                nullptr, dim3(64, 2)},
        Planted{"group of half a warp", FaultKind::barrier, group_of_half_a_warp, nullptr, dim3(16, 4)},
        Planted{"one group too many", FaultKind::barrier, one_group_too_many, nullptr, dim3(32, 16)},
        Planted{"copy behind the array", FaultKind::out_of_bounds, nullptr, copy_behind_the_array},
        Planted{"atomic and plain", FaultKind::race, atomic_and_plain},
        Planted{"shared overflow", FaultKind::out_of_bounds, shared_overflow},
        Planted{"before the array", FaultKind::out_of_bounds, nullptr, before_the_array},
        Planted{"misaligned", FaultKind::misaligned, nullptr, misaligned},
        Planted{"misaligned array", FaultKind::misaligned, misaligned_array, nullptr, 64, 260},
        Planted{"uninitialised", FaultKind::uninitialised, uninitialised},
        Planted{"uninitialised sum", FaultKind::uninitialised, uninitialised_sum},
        Planted{"lane outside its mask", FaultKind::warp_mask, lane_outside_its_mask},
        Planted{"source outside the mask", FaultKind::warp_mask, source_outside_the_mask},
        Planted{"divergent shuffle", FaultKind::barrier, divergent_shuffle},
        Planted{"copy without wait", FaultKind::async_copy, nullptr, copy_without_wait},
        Planted{"copy waited for too little", FaultKind::async_copy, nullptr, copy_waited_for_too_little},
        Planted{"dynamic shared too small", FaultKind::out_of_bounds, dynamic_shared_too_small}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

TEST(SimtFaultsText, simt_NamesKernelBlockThreadAndLineAndTheFix) {
  std::vector<float> out(100);
  const testing::Run result =
      testing::run({"global overflow", 2, 64}, global_overflow, 100, testing::global(out));
  EXPECT_EQ(result.status.message(),
            "4 bytes at offset 400 of 400 bytes of global memory (kernel global overflow, block (1,0,0), "
            "thread (36,0,0), tests/simt/simt_faults_test.cpp:" +
                std::to_string(testing::line_of("tests/simt/simt_faults_test.cpp", "global overflow")) +
                "): the array, or its row, ends there");
  EXPECT_EQ(out, std::vector<float>(100, 1.0F));
}

TEST(SimtFaultsText, simt_ARaceNamesBothOfItsSides) {
  std::vector<float> out(64);
  const testing::Run result = testing::run({"k", 1, 64}, missing_barrier, testing::global(out));
  const std::string message = result.status.message();
  const std::string file = "tests/simt/simt_faults_test.cpp";
  const unsigned read = testing::line_of(file, "missing barrier");
  EXPECT_EQ(message, "race on shared memory: thread (31,0,0) read it at " + file + ":" +
                         std::to_string(read) + " (kernel k, block (0,0,0), thread (32,0,0), " + file + ":" +
                         std::to_string(read - 1) + "): put a barrier between the two");
}

__global__ void nothing(Global<float>) {}

TEST(SimtLaunch, simt_RefusesWhatAGpuWould) {
  std::vector<float> out(64);
  EXPECT_TRUE(testing::run({"k", dim3(1, 65535), 1}, nothing, testing::global(out)).status.ok());
  EXPECT_TRUE(testing::run({"k", 1, dim3(16, 1, 64)}, nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", 1, 1025}, nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", 0, 64}, nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", dim3(1, 65536), 64}, nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", 1, 64, 1 << 20}, nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", 1, dim3(1, 1, 128)}, nothing, testing::global(out)).status.ok());
  // Declared arrays and dynamic shared memory together are more than there is.
  EXPECT_TRUE(testing::run({"k", 1, 64, 226 << 10}, missing_nothing, testing::global(out)).status.ok());
  EXPECT_FALSE(testing::run({"k", 1, 64, 227 << 10}, missing_nothing, testing::global(out)).status.ok());
}

// A block that is given up in the middle of its kernel leaves the next one a clean start.
TEST(SimtLaunch, simt_GoesOnAfterAStuckBlock) {
  std::vector<float> out(64);
  EXPECT_FALSE(testing::run({"stuck", 3, 64}, divergent_barrier, testing::global(out)).status.ok());
  EXPECT_TRUE(testing::run({"fine", 1, 64}, global_overflow, 63, testing::global(out)).status.ok());
}

// The fault of the lowest block is the one reported, however many threads run the blocks.
TEST(SimtLaunch, simt_ReportsTheSameFaultWithAnyNumberOfThreads) {
  std::vector<float> out(64);
  std::vector<std::string> messages;
  for (int threads : {1, 4}) {
    ThreadPool pool(threads);
    Context context;
    context.pool = &pool;
    const Status status = launch(context, {"k", 16, 64}, global_overflow, 1024, testing::global(out));
    messages.push_back(status.message());
  }
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_NE(messages[0].find("block (1,0,0), thread (0,0,0)"), std::string::npos) << messages[0];
}

}  // namespace
}  // namespace bauta::simt
