#include "engine/core/device.h"

#include <gtest/gtest.h>

#include <limits>

namespace bauta {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;

// What a batch needs of a device whose network takes 1 GiB, and 0.25 GiB for each sample.
std::size_t needed(int batch) { return kGiB + static_cast<std::size_t>(batch) * kGiB / 4; }

TEST(DeviceMemory, ABatchThatDoesNotFitIsToldWhichOneDoes) {
  EXPECT_TRUE(check_memory(9 * kGiB, 32, needed).ok());
  EXPECT_EQ(check_memory(9 * kGiB, 64, needed).message(),
            "a batch of 64 needs 17.00 GiB of the GPU's memory, of which 9.00 GiB are free (--batch): "
            "use --batch 32 or less");
  EXPECT_EQ(check_memory(9 * kGiB - 1, 64, needed).message(),
            "a batch of 64 needs 17.00 GiB of the GPU's memory, of which 9.00 GiB are free (--batch): "
            "use --batch 31 or less");
  EXPECT_EQ(check_memory(kGiB, 64, needed).message(),
            "a batch of 64 needs 17.00 GiB of the GPU's memory, of which 1.00 GiB are free (--batch): "
            "not even a batch of 1 fits, use a larger GPU or --device cpu");
}

TEST(Gpu, OneThatIsTooOldOrThatTheBuildHasNoKernelsForIsNamedWithTheFix) {
  EXPECT_EQ(check_gpu({"Tesla P100", 60, 16 * kGiB}, true, "sm_90").message(),
            "Tesla P100 is sm_60, older than sm_75 (--device cuda): "
            "use a GPU of the Turing generation or later, or --device cpu");
  EXPECT_EQ(check_gpu({"Tesla T4", 75, 16 * kGiB}, false, "sm_80, sm_90").message(),
            "Tesla T4 is sm_75, and this build's kernels are for sm_80, sm_90 (--device cuda): "
            "build with -DCMAKE_CUDA_ARCHITECTURES=75, or use --device cpu");
  EXPECT_TRUE(check_gpu({"NVIDIA H100", 90, 80 * kGiB}, true, "sm_90").ok());
}

TEST(Gpu, Bf16TakesTensorCoresAndKernelsThatKnowIt) {
  EXPECT_TRUE(check_precision({"Tesla T4", 75, 16 * kGiB, 75}, Precision::fp32).ok());
  EXPECT_EQ(check_precision({"Tesla T4", 75, 16 * kGiB, 75}, Precision::bf16).message(),
            "Tesla T4 is sm_75, whose tensor cores have no bf16 (--precision bf16): "
            "use a GPU of the Ampere generation or later, or --precision fp32");
  EXPECT_EQ(check_precision({"NVIDIA H100", 90, 80 * kGiB, 75}, Precision::bf16).message(),
            "this build's kernels are for sm_75, which has no bf16 (--precision bf16): "
            "build with -DCMAKE_CUDA_ARCHITECTURES=90, or use --precision fp32");
  EXPECT_TRUE(check_precision({"NVIDIA H100", 90, 80 * kGiB, 80}, Precision::bf16).ok());
}

TEST(Gpu, IsReadyOrSaysWhatToDo) {
  const auto gpu = Gpu::open();
  if (gpu.ok()) {
    EXPECT_GE(gpu->info().capability, 75);
    EXPECT_NE(gpu->stream(), nullptr);
  } else {
    EXPECT_NE(gpu.status().message().find(" (--device cuda): "), std::string::npos) << gpu.status().message();
    EXPECT_TRUE(gpu.status().message().ends_with(", or use --device cpu")) << gpu.status().message();
  }
}

TEST(DeviceBuffer, StartsAsZerosAndKeepsWhatIsCopiedThere) {
  for (const Backend backend : {Backend::cpu, Backend::reference, Backend::simt}) {
    Context context;
    context.backend = backend;
    const auto buffer = DeviceBuffer<float>::create(context, 5);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(*on_host<float>(context, buffer->span()), std::vector<float>(5));
    const std::vector<float> values = {1, 2, 3};
    ASSERT_TRUE(copy_to_device<float>(context, values, buffer->span().subspan(1)).ok());
    EXPECT_EQ(*on_host<float>(context, buffer->span()), (std::vector<float>{0, 1, 2, 3, 0}));
    ASSERT_TRUE(zero_on_device(context, buffer->data(), 2 * sizeof(float)).ok());
    EXPECT_EQ(*on_host<float>(context, buffer->span()), (std::vector<float>{0, 0, 2, 3, 0}));
    EXPECT_EQ(*free_memory(context), std::numeric_limits<std::size_t>::max());
  }
}

}  // namespace
}  // namespace bauta
