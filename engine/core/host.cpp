#include "engine/core/host.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <string_view>
#include <thread>

namespace bauta {
namespace {

// The control group of this process; "/" where that is not known.
std::string own_cgroup() {
  std::ifstream groups("/proc/self/cgroup");
  constexpr std::string_view kVersion2 = "0::";
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with(kVersion2)) return line.substr(kVersion2.size());
  }
  return "/";
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  // More cores than a cpu_set_t has room for.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::size_t cgroup_memory_limit(std::string group, const std::string& root) {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (;;) {
    std::ifstream file(root + group + "/memory.max");
    if (std::size_t limit = 0; file >> limit) least = std::min(least, limit);  // not so where it is "max"
    if (group.empty()) return least;
    group.resize(group.rfind('/'));
  }
}

std::size_t usable_memory() {
  const auto machine = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::size_t>(::sysconf(_SC_PAGE_SIZE));
  return std::min(machine, cgroup_memory_limit(own_cgroup()));
}

}  // namespace bauta
