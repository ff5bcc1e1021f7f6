#pragma once

#include <atomic>

namespace bauta {

/// From now on the first SIGINT, SIGTERM, SIGUSR1 (which launchers pass on) or SIGHUP sets the flag that is
/// returned, and says `line` on error_output(), unless it is null; the next of its kind ends the process. A
/// SIGHUP that is ignored, as under nohup, stays so. `line` and the flag live until the process ends.
const std::atomic<bool>& stop_on_signals(const char* line);

}  // namespace bauta
