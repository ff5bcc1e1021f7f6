#pragma once

#include <array>
#include <atomic>
#include <csignal>

#include "kernels/status.h"

namespace bauta {

/// Exit code of a run that a signal stopped, as shells have it for Ctrl-C.
inline constexpr int kExitInterrupted = 130;

/// What a command ends with whose work has failed: the failure, or, if it was `stopped`, kExitInterrupted
/// once the failure has been printed.
Result<int> failed(const Status&, bool stopped);

/// As long as it lives, `handler` is called at the signals that stop a run: SIGINT, SIGTERM, SIGUSR1 (which
/// launchers pass on) and SIGHUP. Those that are ignored remain so: SIGHUP under nohup, SIGINT of a script's
/// background job, which a Ctrl-C meant for the script then leaves alone.
class StopSignals {
 public:
  explicit StopSignals(void (*handler)(int));
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  std::array<struct sigaction, 4> before_{};
};

/// From now on the first of StopSignals sets the flag that is returned, and says `line` on error_output(),
/// unless it is null; one by which it is asked_again() ends the process. `line` and the flag live until the
/// process ends.
const std::atomic<bool>& stop_on_signals(const char* line);

/// For a handler of such signals: whether one that has come is a person's next word. Not so where it comes
/// within half a second of the first: some programs (timeout of coreutils) send a signal twice at once.
bool asked_again();

}  // namespace bauta
