#pragma once

#include <memory>
#include <string>

#include "engine/comm/watch.h"
#include "engine/io/file.h"
#include "kernels/common.h"

namespace bauta {

/// The environment variable by which the process that starts the ranks asks them into its watch.
inline constexpr const char* kStarterVariable = "BAUTA_STARTER";

/// To that process, the exit code of a rank that could not meet the others and has said why.
inline constexpr int kExitSaid = 3;

/// How long ranks wait for one another at the start, before any watches the others.
inline constexpr std::chrono::seconds kMeeting{60};

/// How long NCCL may take to connect the GPUs.
inline constexpr std::chrono::seconds kConnecting{120};

/// This process as one rank of a run: whom it computes with, what becomes of a fault, and where its output
/// goes. Rank 0 speaks to the person; every other rank's output goes to RUN/rank-R.log, and is held in memory
/// until there is a RUN.
class Ranks {
 public:
  /// Finds the other ranks, if mpirun or srun started several. `resume`: the command to go on with, after the
  /// launcher's own part of it. Where they are not all there after kMeeting, this process ends with a line.
  static Result<std::unique_ptr<Ranks>> open(const std::string& resume);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  /// Over the ranks' hosts.
  Communicator& communicator() { return *communicator_; }
  /// Ranks on this host, which share its cores.
  int on_this_host() const;
  /// Those of them with a lower rank: this one's number on the host, from 0.
  int before_on_this_host() const;

  /// Fails, on every rank, where a rank has not what rank 0 has of `option`: "--resume" or "no --resume",
  /// say; `fix` says what to do. Collective.
  Status check_alike(const std::string& mine, const std::string& option, const std::string& fix);

  /// Who adds up the gradients in this device's memory: communicator(), or where several ranks compute on
  /// GPUs one between these, which lives as long as this does; the context's stream lives until the last sum.
  /// A rank whose device is of another kind than rank 0's is an error. Collective, once.
  Result<Communicator*> connect_devices(const Context&);

  /// "go on with: " and the command that goes on with this run.
  const std::string& remedy() const { return remedy_; }

  /// Keeps the output of this rank in RUN from here on; not for rank 0.
  Status keep_log(const std::string& run);

  /// A failure of this rank. With others: ends the run on all of them, with one line, and does not return.
  /// Alone: the failure itself, a fault with the command to go on with.
  Status fail(const Status& reason);

 private:
  Ranks(std::unique_ptr<Communicator> communicator, std::string remedy)
      : communicator_(std::move(communicator)), remedy_(std::move(remedy)) {}
  Status hold_output();
  [[noreturn]] void end(const std::string& line);

  std::unique_ptr<Communicator> communicator_;
  const std::string remedy_;
  FileDescriptor held_output_;  // of a rank before there is a RUN
  int exit_code_ = 1;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<Communicator> gpus_;
};

}  // namespace bauta
