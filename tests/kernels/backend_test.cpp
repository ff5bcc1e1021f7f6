#include <gtest/gtest.h>

#include "kernels/common.h"

namespace bauta {

// An op that no file gives CUDA kernels.
struct NowhereBackend {
  Status (*run)(const Context&, int size, const float* x);
  std::size_t (*workspace)(int size);
};
BAUTA_DECLARE_BACKENDS(NowhereBackend, nowhere_backend)

namespace {

TEST(Backend, OneThatTheProgramIsLinkedWithoutFailsAndSaysWhatToDo) {
  for (const NowhereBackend* linked : {&cuda::nowhere_backend, &simt::nowhere_backend}) {
    const NowhereBackend& backend = linked_or(linked, nowhere_backend_missing);
    EXPECT_EQ(backend.run({}, 1, nullptr).message(),
              "nowhere_backend has no CUDA kernels here: choose the cpu backend, or a build that has them "
              "(-DBAUTA_CUDA=ON, -DBAUTA_SIMT=ON)");
    EXPECT_EQ(backend.workspace(1), 0U);
  }
}

}  // namespace
}  // namespace bauta
