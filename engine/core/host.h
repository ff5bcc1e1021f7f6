#pragma once

#include <cstddef>
#include <string>

namespace bauta {

/// Seconds since an arbitrary moment, by a monotonic clock.
double seconds_now();

/// Cores that this process may use: its affinity, not the machine's size.
int usable_cores();

/// Bytes of memory that this process may use: the machine's, or less where a control group (cgroup v2, as
/// containers have) sets a limit.
std::size_t usable_memory();

/// The least `memory.max` of a control group and of those that it lies in, in bytes; the largest number there
/// is where none is set. `group`: the group's path below `root`, "/a/b".
std::size_t cgroup_memory_limit(std::string group, const std::string& root = "/sys/fs/cgroup");

}  // namespace bauta
