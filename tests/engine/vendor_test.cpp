#include "engine/core/vendor.h"

#include <gtest/gtest.h>

namespace bauta {
namespace {

// On this machine's GPU, or on none.
Result<Vendor> open_vendor(const std::string& module = {}) {
  Context context;
  if (Gpu::open().ok()) context.backend = Backend::cuda;
  return Vendor::open(context, module);
}

TEST(Vendor, IsReadyOrSaysWhatToDo) {
  const auto vendor = open_vendor();
  if (vendor.ok()) {
    EXPECT_TRUE(vendor->libraries().description().starts_with("cuDNN 9."))
        << vendor->libraries().description();
  } else {
    const std::string& message = vendor.status().message();
    EXPECT_TRUE(message.ends_with(", or use --kernels hand")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

#if defined(BAUTA_HAS_VENDOR)
// All that the module calls is there: it is loaded before cuDNN looks for a GPU.
TEST(Vendor, TheBuildsModuleLoads) {
  const std::string message = open_vendor().status().message();
  EXPECT_EQ(message.find("cannot be loaded"), std::string::npos) << message;
}

TEST(Vendor, AModuleThatIsNotThereIsNamedWithTheFix) {
  EXPECT_EQ(
      open_vendor("/nowhere/bauta_vendor.so").status().message(),
      "cuDNN and cuBLASLt cannot be loaded: /nowhere/bauta_vendor.so: cannot open shared object file: No "
      "such "
      "file or directory (--kernels vendor): install cuDNN 9 and the cuBLAS of this build's CUDA, add their "
      "folders to LD_LIBRARY_PATH, or use --kernels hand");
}
#else
TEST(Vendor, ABuildWithoutTheModuleSaysHowToGetIt) {
  EXPECT_EQ(open_vendor().status().message(),
            "this build cannot call cuDNN and cuBLASLt (--kernels vendor): build it where cuDNN 9 is "
            "(-DBAUTA_VENDOR=ON), or use --kernels hand");
}
#endif

}  // namespace
}  // namespace bauta
