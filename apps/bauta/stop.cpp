#include "apps/bauta/stop.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "apps/bauta/terminal.h"

namespace bauta {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<const char*> line_to_say{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free);

void say(const char* text) { static_cast<void>(!::write(error_output(), text, std::strlen(text))); }

void request_stop(int) {
  stop_requested = true;
  const char* const line = line_to_say.exchange(nullptr);
  if (line == nullptr) return;
  const int error = errno;                       // of whatever was interrupted
  if (::isatty(error_output()) != 0) say("\n");  // what is there is a bar, and ^C
  say(line);
  say("\n");
  errno = error;
}

void catch_once(int signal) {
  struct sigaction action {};
  action.sa_handler = request_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(signal, &action, nullptr);
}

}  // namespace

const std::atomic<bool>& stop_on_signals(const char* line) {
  line_to_say = line;
  catch_once(SIGINT);
  catch_once(SIGTERM);
  catch_once(SIGUSR1);
  struct sigaction hangup {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) catch_once(SIGHUP);
  return stop_requested;
}

}  // namespace bauta
