#include "apps/bauta/launch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "apps/bauta/ranks.h"
#include "apps/bauta/terminal.h"
#include "engine/comm/mpi.h"

namespace bauta {
namespace {

std::atomic<pid_t> launcher{0};

void signal_launcher(int signal) {
  if (const pid_t pid = launcher; pid > 0) ::kill(pid, signal);
}

// The first Ctrl-C stops the ranks at their next step: mpirun passes SIGUSR1 on to them, where SIGINT or
// SIGTERM would have it end them. The second one does that.
void pass_on(int signal) {
  signal_launcher(SIGUSR1);
  std::signal(signal, [](int) { signal_launcher(SIGTERM); });
}

std::vector<std::string> mpirun_line(int ranks, const std::vector<std::string>& words) {
  std::error_code error;
  std::vector<std::string> line = {"mpirun",
                                   "--quiet",
                                   "-np",
                                   std::to_string(ranks),
                                   "--oversubscribe",
                                   "--bind-to",
                                   "none",
                                   "-x",
                                   kStarterVariable,
                                   std::filesystem::read_symlink("/proc/self/exe", error).string()};
  line.insert(line.end(), words.begin() + 1, words.end());
  return line;
}

Result<pid_t> spawn(const std::vector<std::string>& line) {
  std::vector<char*> arguments;
  for (const std::string& word : line) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, line.front().c_str(), &files, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  return Status::error("cannot start mpirun: " + std::generic_category().message(error), "--devices",
                       "install openmpi-bin, or add its folder to PATH");
}

// The exit code, as shells have it.
int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<int> launch_ranks(int ranks, const std::vector<std::string>& words, const std::string& resume) {
  if (!has_mpi()) {
    return Status::error("this build has no MPI", "--devices " + std::to_string(ranks),
                         "install libopenmpi-dev and openmpi-bin, and build with -DBAUTA_MPI=ON");
  }
  std::atomic<bool> fault{false};
  Watch::Options options;
  options.remedy = "go on with: " + resume;
  options.on_fault = [&](const std::string& line) {
    fault = true;
    if (line.empty()) return;
    print_error(line);
    signal_launcher(SIGTERM);
  };
  auto watch = Watch::start(ranks, std::move(options));
  if (!watch.ok()) return watch.status();
  ::setenv(kStarterVariable, (*watch)->ticket().c_str(), 1);
  if (::geteuid() == 0) {  // in a container everyone is
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  }
  const auto pid = spawn(mpirun_line(ranks, words));
  if (!pid.ok()) return pid.status();
  launcher = *pid;
  std::signal(SIGINT, pass_on);
  std::signal(SIGTERM, pass_on);
  const int code = wait_for(*pid);
  launcher = 0;
  if (code != 0) (*watch)->wait_for_the_others();
  if (code != 0 && !(*watch)->anyone_joined()) {
    return Status::error("mpirun ended with exit code " + std::to_string(code) + " before any rank was there",
                         "--devices " + std::to_string(ranks), "its own words say why");
  }
  return fault && code > 2 ? 1 : code;
}

}  // namespace bauta
