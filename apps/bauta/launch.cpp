#include "apps/bauta/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <system_error>
#include <thread>

#include "apps/bauta/ranks.h"
#include "apps/bauta/stop.h"
#include "apps/bauta/terminal.h"
#include "engine/comm/mpi.h"
#include "engine/comm/peers.h"

namespace bauta {
namespace {

// After which, if no rank is there, none will come: twice as long as ranks wait for one another.
constexpr std::chrono::seconds kArrival = 2 * kMeeting;
using Clock = std::chrono::steady_clock;

// The processes that were started, which are the ranks or mpirun; 0: none.
std::array<std::atomic<pid_t>, kMaxRanksOfHost> children{};
std::atomic<int> stops{0};  // that signals have asked for, one after the other

bool any_child() {
  return std::ranges::any_of(children, [](const auto& child) { return child > 0; });
}

void signal_children(int signal) {
  for (const auto& child : children) {
    if (const pid_t pid = child; pid > 0) ::kill(pid, signal);
  }
}

void count_stop(int) {
  const int error = errno;  // of whatever was interrupted
  if (asked_again() || stops == 0) ++stops;
  errno = error;
}

// The first Ctrl-C stops the ranks at their next step: mpirun passes SIGUSR1 on to them, where SIGINT or
// SIGTERM would have it end them. The second one does that, and the third ends what does not listen.
int signal_of(int stop) { return stop == 1 ? SIGUSR1 : stop == 2 ? SIGTERM : SIGKILL; }

// What is left of ranks after a fault: who was stopped does not end by itself.
void end_ranks() {
  for (int i = 0; i < 20 && any_child(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  signal_children(SIGKILL);
}

std::string this_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::vector<std::string> mpirun_line(int ranks, const std::vector<std::string>& args) {
  std::vector<std::string> line = {"mpirun",    "--quiet", "-np", std::to_string(ranks), "--oversubscribe",
                                   "--bind-to", "none",    "-x",  kStarterVariable,      this_program()};
  line.insert(line.end(), args.begin() + 1, args.end());
  return line;
}

/// Where a process that is started writes; none: where this one does.
struct Output {
  FileDescriptor out;
  FileDescriptor error;
};

// Starts a process that inherits the connections of `kept` and nothing else.
Result<pid_t> spawn(const std::vector<std::string>& line, std::span<const FileDescriptor> kept = {},
                    const Output& output = {}) {
  std::vector<char*> arguments;
  arguments.reserve(line.size() + 1);
  for (const std::string& word : line) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (const FileDescriptor& file : kept) {
    if (file.get() >= 0) ::posix_spawn_file_actions_adddup2(&files, file.get(), file.get());
  }
  if (output.out.get() >= 0) ::posix_spawn_file_actions_adddup2(&files, output.out.get(), STDOUT_FILENO);
  if (output.error.get() >= 0) {
    ::posix_spawn_file_actions_adddup2(&files, output.error.get(), STDERR_FILENO);
  }
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, line.front().c_str(), &files, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  return Status::error("cannot start " + line.front() + ": " + std::generic_category().message(error),
                       "--devices",
                       error == ENOENT ? "install openmpi-bin, or add its folder to PATH"
                                       : "end other processes, or use fewer ranks");
}

// Passes on what comes through `from`, until nothing more can come or, when that is all, it is told to stop.
void pass_on(const std::stop_token& stop, const FileDescriptor& from, std::FILE* to) {
  std::array<char, 4096> block;
  for (;;) {
    const bool last = stop.stop_requested();
    pollfd entry{from.get(), POLLIN, 0};
    const int ready = ::poll(&entry, 1, 20);
    if (ready == 0 && last) return;
    if (ready <= 0) continue;
    const ssize_t count = ::read(from.get(), block.data(), block.size());
    if (count <= 0) return;
    std::fwrite(block.data(), 1, static_cast<std::size_t>(count), to);
    std::fflush(to);
  }
}

// A pipe into `to`, as long as the thread in `threads` lives.
Result<FileDescriptor> pipe_to(std::FILE* to, std::vector<std::jthread>& threads) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return file_error("make", "a pipe for what the ranks say");
  threads.emplace_back(
      [from = FileDescriptor(ends[0]), to](const std::stop_token& stop) { pass_on(stop, from, to); });
  return FileDescriptor(ends[1]);
}

bool is_pipe(int file) {
  struct stat info {};
  return ::fstat(file, &info) == 0 && S_ISFIFO(info.st_mode);
}

// What mpirun passes on of the ranks' words goes through this process, in `threads`: mpirun drops what it
// cannot write without a word, and ends the ranks where a pipe's reader is gone. Errors otherwise go straight
// to the person, who has them even when this process is killed.
Status start_mpirun(int ranks, const std::vector<std::string>& args, std::vector<std::jthread>& threads) {
  Output output;
  BAUTA_TRY(put_into(output.out, pipe_to(stdout, threads)));
  if (is_pipe(STDERR_FILENO)) BAUTA_TRY(put_into(output.error, pipe_to(stderr, threads)));
  if (::geteuid() == 0) {  // in a container everyone is
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  }
  const auto pid = spawn(mpirun_line(ranks, args), {}, output);
  if (pid.ok()) children[0] = *pid;
  return pid.status();
}

// Programs that begin anew rather than forks: CUDA does not survive a fork.
Status start_ranks(int ranks, std::vector<std::string> line) {
  line.front() = this_program();
  const auto connections = connect_peers(ranks);
  if (!connections.ok()) return connections.status();
  for (std::size_t rank = 0; rank < connections->size(); ++rank) {
    std::string place = std::to_string(rank);
    for (const FileDescriptor& connection : (*connections)[rank]) {
      place += " " + std::to_string(connection.get());
    }
    ::setenv(kPeersVariable, place.c_str(), 1);
    const auto pid = spawn(line, (*connections)[rank]);
    ::unsetenv(kPeersVariable);  // this process itself is no rank
    if (!pid.ok()) {
      signal_children(SIGKILL);
      return pid.status();
    }
    children[rank] = *pid;
  }
  return {};
}

// A process's exit code, as shells have it; none: it is still running.
std::optional<int> exit_code_of(pid_t pid) {
  int status = 0;
  const pid_t ended = ::waitpid(pid, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  if (ended < 0) return 1;  // nobody knows how it ended
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The exit code of the first that did not end well, or of one that has said why; 0: all did. Meanwhile
// signals are passed on: the first once all ranks are there, as one that comes earlier is lost, or ends a
// rank while mpirun waits for it. Where no rank comes at all, mpirun is ended.
int wait_for_children(const Watch& watch, int ranks, Clock::time_point deadline) {
  int passed_on = 0;
  int first = 0;
  while (any_child()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const int asked = stops;
    if (asked > passed_on && (asked > 1 || watch.joined() == ranks)) {
      signal_children(signal_of(asked));
      passed_on = asked;
    }
    if (watch.joined() == 0 && Clock::now() > deadline) signal_children(SIGKILL);
    for (auto& child : children) {
      const auto code = child > 0 ? exit_code_of(child) : std::nullopt;
      if (!code) continue;
      child = 0;
      if (first == 0 || *code == kExitSaid) first = *code;
    }
  }
  return first;
}

}  // namespace

bool ranks_were_stopped() { return stops > 0; }

Status check_mpi(const std::string& option) {
  if (has_mpi()) return {};
  return Status::error("this build has no MPI", option,
                       "install libopenmpi-dev and openmpi-bin, and build with -DBAUTA_MPI=ON");
}

Result<int> launch_ranks(int ranks, Launcher launcher, const std::vector<std::string>& args,
                         const std::string& resume) {
  if (launcher == Launcher::mpirun) BAUTA_TRY(check_mpi("--devices " + std::to_string(ranks)));
  std::atomic<bool> fault{false};
  Watch::Options options;
  options.remedy = "go on with: " + resume;
  options.on_fault = [&](const std::string& line) {
    fault = true;
    if (!line.empty()) print_error(line);
    if (launcher == Launcher::bauta) {
      end_ranks();
    } else if (!line.empty()) {
      signal_children(SIGTERM);
    }
  };
  auto watch = Watch::start(ranks, std::move(options));
  if (!watch.ok()) return watch.status();
  ::setenv(kStarterVariable, (*watch)->invitation().c_str(), 1);
  const StopSignals counted(count_stop);
  std::signal(SIGCHLD, SIG_DFL);         // where it is ignored nobody learns how a child ended
  std::vector<std::jthread> passing_on;  // until all has been said
  BAUTA_TRY(launcher == Launcher::mpirun ? start_mpirun(ranks, args, passing_on) : start_ranks(ranks, args));
  const auto deadline = Clock::now() + kArrival;
  const int code = wait_for_children(**watch, ranks, deadline);
  if (code != 0) (*watch)->wait_for_the_others();
  if (code == kExitSaid) return 1;
  if (code != 0 && (*watch)->joined() == 0) {
    if (stops > 0) return kExitInterrupted;
    const std::string what = Clock::now() > deadline
                                 ? "no rank had started after " + std::to_string(kArrival.count()) + " s"
                                 : std::string(launcher == Launcher::mpirun ? "mpirun" : "a rank") +
                                       " ended with exit code " + std::to_string(code) +
                                       " before any rank was there";
    return Status::error(
        what, "--devices " + std::to_string(ranks),
        "see above for what it says itself, and look at the limits of processes (ulimit -a)");
  }
  // A fault has been told in words: a child's 128 + signal would say no more.
  return fault && code > 2 ? 1 : code;
}

}  // namespace bauta
