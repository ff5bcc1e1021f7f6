#include "apps/bauta/ranks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "apps/bauta/terminal.h"
#include "engine/comm/nccl.h"
#include "engine/comm/world.h"
#include "engine/core/stream.h"

namespace bauta {
namespace {

// Calls `expired` after so long, unless the thread that is returned has been destroyed by then.
std::jthread after(std::chrono::seconds limit, std::function<void()> expired) {
  return std::jthread([limit, expired = std::move(expired)](const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, limit, [] { return false; });
    if (!stop.stop_requested()) expired();
  });
}

void send_output_to(const FileDescriptor& file) {
  std::fflush(nullptr);
  ::dup2(file.get(), STDOUT_FILENO);
  ::dup2(file.get(), STDERR_FILENO);
}

// Ends a rank that could not meet the others, so that no watch ends it.
[[noreturn]] void end_alone(const Status& reason) {
  print_error(reason.message());
  std::_Exit(std::getenv(kStarterVariable) != nullptr ? kExitSaid : reason.is_usage() ? 2 : 1);
}

}  // namespace

Result<std::unique_ptr<Ranks>> Ranks::open(const std::string& resume) {
  const World world = launched_world();
  std::jthread meeting;
  if (world.size > 1) {
    // One after the other, so that the first ends the run, and speaks alone.
    meeting = after(kMeeting + std::chrono::seconds(world.rank), [] {
      end_alone(Status::error(
          "not all ranks are there after " + std::to_string(kMeeting.count()) + " s", "host " + host_name(),
          "see whether one is stopped, on a host that cannot be reached, or runs another command, and start "
          "again"));
    });
  }
  auto communicator = open_communicator();
  if (!communicator.ok() && world.rank == 0) end_alone(communicator.status());
  if (!communicator.ok()) return communicator.status();
  const char* starter = std::getenv(kStarterVariable);
  const bool launched = (*communicator)->size() > 1 && starter == nullptr;
  const std::string remedy = "go on with: " + (launched ? world.launcher + " " : "") + resume;
  std::unique_ptr<Ranks> ranks(new Ranks(std::move(*communicator), remedy));
  if (ranks->communicator_->size() == 1) return ranks;
  Watch::Options options;
  if (starter != nullptr) options.starter = starter;
  options.remedy = remedy;
  options.on_fault = [self = ranks.get()](const std::string& line) { self->end(line); };
  auto watch = Watch::join(*ranks->communicator_, std::move(options));
  if (!watch.ok()) return watch.status();
  ranks->watch_ = std::move(*watch);
  if (ranks->communicator_->leads()) return ranks;
  if (const Status held = ranks->hold_output(); !held.ok()) return ranks->fail(held);
  return ranks;
}

// While the watch goes on: a rank that does not come to it would be waited for.
Ranks::~Ranks() {
  gpus_.reset();
  communicator_->close();
}

int Ranks::on_this_host() const {
  const auto& hosts = communicator_->hosts();
  return static_cast<int>(std::ranges::count(hosts, hosts[static_cast<std::size_t>(communicator_->rank())]));
}

int Ranks::before_on_this_host() const {
  const auto& hosts = communicator_->hosts();
  const auto rank = static_cast<std::size_t>(communicator_->rank());
  return static_cast<int>(std::ranges::count(std::span(hosts).first(rank), hosts[rank]));
}

Status Ranks::check_alike(const std::string& mine, const std::string& option, const std::string& fix) {
  const auto all = communicator_->all_gather(mine);
  if (!all.ok()) return all.status();
  for (int rank = 1; rank < communicator_->size(); ++rank) {
    const std::string& other = (*all)[static_cast<std::size_t>(rank)];
    if (other == all->front()) continue;
    return Status::error(communicator_->name_of(rank) + " has " + other + ", rank 0 has " + all->front(),
                         option, fix);
  }
  return {};
}

Result<Communicator*> Ranks::connect_devices(const Context& context) {
  if (communicator_->size() == 1) return communicator_.get();
  const bool on_gpu = context.backend == Backend::cuda;
  BAUTA_TRY(check_alike(on_gpu ? "a GPU" : "no GPU", "--device",
                        "use hosts that all have a GPU, or --device cpu on all"));
  if (!on_gpu) return communicator_.get();
  // NCCL wants sums that one rank records to be recorded by all.
  BAUTA_TRY(check_alike(launches_are_waited_for() ? "CUDA_LAUNCH_BLOCKING=1" : "no CUDA_LAUNCH_BLOCKING=1",
                        "environment", "set it on all ranks, or on none"));
  const auto on_fault = [this](const Status& fault) { watch_->fail(fault); };
  const std::jthread connecting = after(kConnecting + std::chrono::seconds(communicator_->rank()), [&] {
    on_fault(Status::fault(
        "the GPUs are not connected after " + std::to_string(kConnecting.count()) + " s", "NCCL",
        std::string("name the network between hosts by NCCL_SOCKET_IFNAME; ") + kNcclSaysMore));
  });
  auto gpus = open_nccl(context, *communicator_, on_fault);
  if (!gpus.ok()) return gpus.status();
  gpus_ = std::move(*gpus);
  return gpus_.get();
}

Status Ranks::hold_output() {
  FileDescriptor person(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  held_output_ = FileDescriptor(::memfd_create("output", MFD_CLOEXEC));
  if (person.get() < 0 || held_output_.get() < 0) {
    return file_error("create", "the memory for a rank's output");
  }
  print_errors_to(std::move(person));
  send_output_to(held_output_);
  return {};
}

Status Ranks::keep_log(const std::string& run) {
  if (communicator_->leads()) return {};
  std::error_code error;  // a missing folder is told by the opening
  std::filesystem::create_directories(run, error);
  const std::string path = run + "/rank-" + std::to_string(communicator_->rank()) + ".log";
  const FileDescriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (log.get() < 0) return file_error("create", path);
  send_output_to(log);
  std::array<char, 4096> block;
  ::lseek(held_output_.get(), 0, SEEK_SET);
  for (;;) {
    const ssize_t count = ::read(held_output_.get(), block.data(), block.size());
    if (count == 0) return {};
    if (count < 0 || ::write(log.get(), block.data(), static_cast<std::size_t>(count)) != count) {
      return file_error("write", path);
    }
  }
}

Status Ranks::fail(const Status& reason) {
  if (watch_ == nullptr) return reason.is_fault() ? Status::error(reason.message() + "; " + remedy_) : reason;
  exit_code_ = reason.is_usage() ? 2 : 1;
  watch_->fail(reason);
  return reason;
}

// In the watch's thread, while the others of this process may stand anywhere: nothing is tidied up.
void Ranks::end(const std::string& line) {
  if (!line.empty()) {
    print_error(line);
    // For the last words to be heard: by the other ranks, and by mpirun, which ends a run without reading
    // what a process that is gone has left.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  std::_Exit(exit_code_);
}

}  // namespace bauta
