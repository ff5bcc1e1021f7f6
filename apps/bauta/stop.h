#pragma once

#include <atomic>

namespace bauta {

/// From now on the first SIGINT, SIGTERM, SIGUSR1 (which launchers pass on) or SIGHUP sets the flag that is
/// returned, and says `line` on error_output(), unless it is null; one by which it is asked_again() ends the
/// process. A SIGHUP that is ignored, as under nohup, stays so. `line` and the flag live until the
/// process ends.
const std::atomic<bool>& stop_on_signals(const char* line);

/// For a handler of such signals: whether one that has come is a person's next word. Not so where it comes
/// within half a second of the first: some programs (timeout of coreutils) send a signal twice at once.
bool asked_again();

}  // namespace bauta
