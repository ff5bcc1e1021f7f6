#include "kernels/peak/peak.h"

#include "kernels/peak/peak_backends.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

class PeakTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, PeakTest, ::testing::ValuesIn(machines()), machine_name);

TEST_P(PeakTest, MeasuresSomething) {
  const Runner runner(GetParam());
  EXPECT_GT(measure_fma_peak(runner.context()), 0);
  EXPECT_GT(measure_bandwidth(runner.context()), 0);
}

// The loop that is timed does the work that is claimed for it: x/2 + 1 from 1, 2 ... 12 tends to 2 in every
// lane.
TEST_P(PeakTest, ChainsOfMultiplyAddsAreComputed) {
  const PeakBackend& backend = BAUTA_PICK_ISA(Runner(GetParam()).context(), peak_backend);
  const float lanes = static_cast<float>(backend.lanes);
  EXPECT_EQ(backend.multiply_add(0, 1), 6.5F * lanes);
  EXPECT_EQ(backend.multiply_add(1, 1), 4.25F * lanes);
  EXPECT_EQ(backend.multiply_add(100, 1), 2 * lanes);
}

TEST_P(PeakTest, TriadIsComputed) {
  const PeakBackend& backend = BAUTA_PICK_ISA(Runner(GetParam()).context(), peak_backend);
  const Buffer<float> b = random_floats(37, 1);
  const Buffer<float> c = random_floats(37, 2);
  Guarded<float> a(37);
  backend.triad(Runner(GetParam()).context(), 37, a.data(), b.data(), 3, c.data());
  a.check();
  for (std::size_t i = 0; i < 37; ++i) EXPECT_FLOAT_EQ(a[i], b[i] + 3 * c[i]);
}

}  // namespace
}  // namespace bauta::testing
