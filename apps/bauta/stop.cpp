#include "apps/bauta/stop.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "apps/bauta/terminal.h"

namespace bauta {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<const char*> line_to_say{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free);

void say(const char* text) { static_cast<void>(!::write(error_output(), text, std::strlen(text))); }

void request_stop(int signal) {
  const int error = errno;  // of whatever was interrupted
  if (asked_again()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);  // which comes once this one is done with
  }
  stop_requested = true;
  if (const char* const line = line_to_say.exchange(nullptr); line != nullptr) {
    if (::isatty(error_output()) != 0) say("\n");  // what is there is a bar, and ^C
    say(line);
    say("\n");
  }
  errno = error;
}

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};

}  // namespace

Result<int> failed(const Status& status, bool stopped) {
  if (!stopped) return status;
  print_error(status.message());
  return kExitInterrupted;
}

StopSignals::StopSignals(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
    sigaction(kStopSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) sigaction(kStopSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) sigaction(kStopSignals[i], &before_[i], nullptr);
}

bool asked_again() {
  static std::atomic<std::int64_t> first{0};  // in nanoseconds
  struct timespec now {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t at = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  std::int64_t before = 0;
  return !first.compare_exchange_strong(before, at) && at - before > 500'000'000;
}

const std::atomic<bool>& stop_on_signals(const char* line) {
  line_to_say = line;
  static const StopSignals caught(request_stop);
  return stop_requested;
}

}  // namespace bauta
