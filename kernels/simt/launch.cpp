#include "kernels/simt/launch.h"

#include <algorithm>
#include <mutex>

#include "kernels/simt/stream.h"

namespace bauta::simt::runtime {
namespace {

// What every GPU from compute capability 9.0 on allows.
constexpr std::uint64_t kMostThreads = 1024;
constexpr unsigned kMostBlocksYZ = 65535;
constexpr std::uint64_t kMostBlocks = 0x7FFFFFFF;

Status check(const Shape& shape) {
  const auto refuse = [&](const std::string& what, const std::string& fix) {
    return Status::error(what, "kernel " + shape.kernel, fix);
  };
  if (shape.block.count() < 1 || shape.block.count() > kMostThreads) {
    return refuse("a block of " + std::to_string(shape.block.count()) + " threads", "1 to 1024 are possible");
  }
  if (shape.grid.count() < 1 || shape.grid.count() > kMostBlocks || shape.grid.y > kMostBlocksYZ ||
      shape.grid.z > kMostBlocksYZ) {
    return refuse("a grid of " + std::to_string(shape.grid.x) + "x" + std::to_string(shape.grid.y) + "x" +
                      std::to_string(shape.grid.z) + " blocks",
                  "1 to 2147483647 are possible, and no more than 65535 in y and in z");
  }
  if (shape.dynamic_shared > most_dynamic_shared) {
    return refuse(std::to_string(shape.dynamic_shared) + " bytes of dynamic shared memory",
                  std::to_string(most_dynamic_shared) + " are possible at most");
  }
  return {};
}

bool earlier(const Fault& a, const Fault& b) {
  const auto place = [](const dim3& i) { return std::array{i.z, i.y, i.x}; };
  return place(a.block) < place(b.block);
}

Status run(const Context& context, const Shape& shape, const std::function<void()>& kernel) {
  LaunchCounts total{shape.kernel, shape.grid, shape.block, context.stream != nullptr, shape.work, {}};
  std::vector<Fault> faults;
  std::mutex results;  // the two above
  parallel_for(context, static_cast<int>(shape.grid.count()), [&](int number, int) {
    static thread_local Block block;
    const auto n = static_cast<unsigned>(number);
    const dim3 index(n % shape.grid.x, n / shape.grid.x % shape.grid.y, n / shape.grid.x / shape.grid.y);
    Counts counts(static_cast<int>((shape.block.count() + 31) / 32));
    std::vector<Fault> found;
    block.run(shape, index, kernel, context.simt_log == nullptr ? nullptr : &counts, found);
    const std::lock_guard lock(results);
    counts.add_to(total);
    faults.insert(faults.end(), found.begin(), found.end());
  });
  std::stable_sort(faults.begin(), faults.end(), earlier);
  Status status = faults.empty() ? Status() : faults.front().status;
  if (context.simt_log != nullptr) {
    context.simt_log->launches.push_back(std::move(total));
    context.simt_log->faults.insert(context.simt_log->faults.end(), faults.begin(), faults.end());
  }
  return status;
}

}  // namespace

Status launch(const Context& context, const Shape& shape, std::function<void()> kernel) {
  BAUTA_TRY(check(shape));
  if (context.stream == nullptr) return run(context, shape, kernel);
  static_cast<Stream*>(context.stream)->put([context, shape, kernel = std::move(kernel)] {
    return run(context, shape, kernel);
  });
  return {};
}

}  // namespace bauta::simt::runtime
