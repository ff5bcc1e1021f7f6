#include "kernels/simt/launch.h"

#include <algorithm>
#include <mutex>

#include "kernels/simt/stream.h"

namespace bauta::simt::runtime {
namespace {

// What every GPU that kernels are compiled for (sm_75 on) allows. CUDA allows more than 2^31 - 1 blocks in
// all, but parallel_for counts them in an int.
constexpr std::uint64_t kMaxThreads = 1024;
constexpr unsigned kMaxThreadsZ = 64;
constexpr unsigned kMaxBlocksYZ = 65535;
constexpr std::uint64_t kMaxBlocks = 0x7FFFFFFF;

Status refuse(const Shape& shape, const std::string& what, const std::string& fix) {
  return Status::error(what, "kernel " + shape.kernel, fix);
}

Status check_shared(const Shape& shape, std::size_t declared) {
  const std::size_t bytes = declared + shape.dynamic_shared;
  const std::size_t most = kernel_limits.dynamic_shared;
  if (bytes <= most) return {};
  return refuse(shape, std::to_string(bytes) + " bytes of shared memory",
                std::to_string(most) + " are possible at most");
}

Status check(const Shape& shape) {
  if (shape.block.count() < 1 || shape.block.count() > kMaxThreads || shape.block.z > kMaxThreadsZ) {
    return refuse(shape, "a block of " + std::to_string(shape.block.count()) + " threads",
                  "1 to 1024 are possible, and no more than 64 in z");
  }
  if (shape.grid.count() < 1 || shape.grid.count() > kMaxBlocks || shape.grid.y > kMaxBlocksYZ ||
      shape.grid.z > kMaxBlocksYZ) {
    return refuse(shape,
                  "a grid of " + std::to_string(shape.grid.x) + "x" + std::to_string(shape.grid.y) + "x" +
                      std::to_string(shape.grid.z) + " blocks",
                  "1 to 2147483647 are possible, and no more than 65535 in y and in z");
  }
  return check_shared(shape, 0);
}

bool earlier(const Fault& a, const Fault& b) {
  const auto place = [](const dim3& i) { return std::array{i.z, i.y, i.x}; };
  return place(a.block) < place(b.block);
}

Status run(const Context& context, const Shape& shape, const std::function<void()>& kernel) {
  LaunchCounts total{shape.kernel, shape.grid, shape.block, context.stream != nullptr, shape.work, {}};
  std::vector<Fault> faults;
  std::size_t declared_shared = 0;
  std::mutex results;  // the three above
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
    declared_shared = std::max(declared_shared, block.static_shared());
  });
  std::stable_sort(faults.begin(), faults.end(), earlier);
  Status status = faults.empty() ? check_shared(shape, declared_shared) : faults.front().status;
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
