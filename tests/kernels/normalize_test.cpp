#include "kernels/normalize/normalize.h"

#include "kernels/normalize/normalize_cases.h"
#include "tests/kernels/op_test.h"

namespace bauta::testing {
namespace {

Buffer<std::uint8_t> every_byte(Index size) {
  Buffer<std::uint8_t> x(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 7);
  return x;
}

Guarded<float> run(const Context& context, const Buffer<std::uint8_t>& x) {
  Guarded<float> y(x.size());
  EXPECT_TRUE(normalize_forward(context, static_cast<Index>(x.size()), x.data(), y.data()).ok());
  return y;
}

class NormalizeTest : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(Machines, NormalizeTest, ::testing::ValuesIn(all_machines()), machine_name);

TEST_P(NormalizeTest, HasTheReferencesBits) {
  for (const Index size : kNormalizeCases) {
    SCOPED_TRACE(size);
    const Buffer<std::uint8_t> x = every_byte(size);
    const Guarded<float> y = run(Runner(GetParam()).context(), x);
    y.check();
    expect_same_bits(y, run(reference_context(), x));
  }
}

TEST(NormalizeReference, IsCorrectlyRounded) {
  const Buffer<std::uint8_t> x = every_byte(256);
  const Guarded<float> y = run(reference_context(), x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double exact = static_cast<long double>(x[i]) / 255;
    const auto error = [&](float value) { return std::fabs(static_cast<long double>(value) - exact); };
    EXPECT_LE(error(y[i]), error(std::nextafter(y[i], 2.0F))) << int{x[i]};
    EXPECT_LE(error(y[i]), error(std::nextafter(y[i], -1.0F))) << int{x[i]};
  }
}

TEST(NormalizeTest, RefusesANegativeSize) {
  EXPECT_EQ(normalize_forward({}, -1, nullptr, nullptr).message(),
            "normalize: size is -1: it must be at least 0");
}

}  // namespace
}  // namespace bauta::testing
