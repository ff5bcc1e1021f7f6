// Kernels of an op's test are waited for, since what follows the op reads its result. CUDA reads the variable
// when it starts, which the making of lists of tests may do, before main.

#include <cstdlib>

namespace {

[[gnu::constructor(101)]] void wait_for_launches() { setenv("CUDA_LAUNCH_BLOCKING", "1", 1); }

}  // namespace
