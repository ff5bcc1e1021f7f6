#include "kernels/peak/peak.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "kernels/peak/peak_backends.h"

namespace bauta {
namespace {

// The shortest of several runs of `body`, in seconds: what disturbs a run only ever makes it longer.
template <class Body>
double shortest_seconds(int runs, Body body) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < runs; ++run) {
    const Clock::time_point start = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

double measure_fma_peak(const Context& context) {
  const PeakBackend& backend = BAUTA_PICK_ISA(context, peak_backend);
  constexpr Index kRounds = 1 << 19;
  const int threads = thread_count(context);
  std::vector<float> kept(static_cast<std::size_t>(threads));
  const double seconds = shortest_seconds(20, [&] {
    parallel_for(context, threads, [&](int index, int) {
      volatile float seed = 1;  // or the loop could be computed when it is compiled
      kept[static_cast<std::size_t>(index)] = backend.multiply_add(kRounds, seed);
    });
  });
  return 2.0 * kRounds * backend.lanes * threads / seconds;
}

double measure_bandwidth(const Context& context) {
  const PeakBackend& backend = BAUTA_PICK_ISA(context, peak_backend);
  constexpr std::size_t kSize = std::size_t{64} << 18;  // 64 MiB of floats
  std::vector<float> a(kSize);
  std::vector<float> b(kSize, 1);
  std::vector<float> c(kSize, 2);
  const double seconds = shortest_seconds(
      5, [&] { backend.triad(context, static_cast<Index>(kSize), a.data(), b.data(), 3, c.data()); });
  return 12.0 * kSize / seconds;
}

}  // namespace bauta
