#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/comm/socket.h"

namespace bauta {

/// The processes of a run watch one another: each pair holds a TCP connection of its own, with a heartbeat
/// every second. One that closes it without a word has died; a rank that is silent for 10 seconds hangs, or
/// its host or network is gone. Then the run ends on every process, and exactly one says why: the lowest rank
/// that is left. Whatever launcher and MPI do, this takes at most 15 seconds.
///
/// A process may also live while the thread hangs that computes in it. Each rank's watch looks at its own, by
/// the communicator's Activity: a piece of work hangs after 20 seconds, or ten times what the longest so far
/// took where that is more (Activity::expect_longer_work multiplies that). The time in which it waits for
/// messages does not count, as it is another rank that is late. A wait for the GPU may last a quarter longer:
/// whoever gives its GPU nothing to do is named before those that wait for it. The first piece of all, in
/// which a driver may compile kernels, has ten minutes.
///
/// Members are the ranks 0 to N - 1 and, as member N, the process that started them, if it is one of ours.
class Watch {
 public:
  /// Called once, by the watch's thread, when the run cannot go on: `line` says why, or is empty where
  /// another member says it. A rank's ends the process.
  using OnFault = std::function<void(const std::string& line)>;

  /// What a rank joins with.
  struct Options {
    std::string starter;  ///< Watch::invitation() of the process that started the ranks; empty: there is none
    std::string remedy;   ///< how to fix a fault: the command to go on with
    OnFault on_fault;
    std::chrono::milliseconds longest_work{20'000};  ///< after which a piece of work hangs, at least
    std::chrono::milliseconds first_work{600'000};   ///< the same of the first
  };

  /// Joins the watch of all ranks; collective. Fails, on every rank, where two of them cannot reach each
  /// other. The communicator outlives the watch.
  static Result<std::unique_ptr<Watch>> join(Communicator&, Options);
  /// The watch of the process that starts `ranks` ranks, which join it later. `options.starter` is not used.
  static Result<std::unique_ptr<Watch>> start(int ranks, Options);

  /// Leaves without being missed.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// What ranks on this host need to join the watch of the process that starts them.
  std::string invitation() const;

  /// This process cannot go on, for a reason of its own: ends the run on every process. The line names the
  /// rank, unless it is rank 0 with what is likely to fail on all; a fault's says how to go on. Returns when
  /// on_fault does.
  void fail(const Status& reason);

  /// Waits, at most 2 seconds, until no member is left; what became of them is told to on_fault as ever.
  void wait_for_the_others();
  /// Members that have ever joined this one.
  int joined() const { return joined_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Member {
    std::string name;  // "rank 1"
    std::string host;
    FileDescriptor socket;  // none: not joined yet, left, or dead
    bool gone = false;      // left or dead
    Clock::time_point heard{};
  };
  struct Fault {
    Status status;
    Clock::time_point since;
  };
  struct Hello;
  struct Caller;

  Watch(int self, int ranks, Listener listener, Options options);
  Status connect_to_others(const std::vector<std::string>& hosts,
                           const std::vector<std::string>& invitations);
  Status connect(int to, const Endpoint& endpoint);
  void begin() {
    thread_ = std::thread([this] { work(); });
  }
  void wake();
  void work();
  void wait_for_news();
  void take_in();
  bool answer(Caller&);
  void read(Member&);
  void part_from(Member&);
  void lose(Member&, const std::string& how);
  void look_at_own_work(Clock::time_point now);
  void blame(const Member&, const std::string& how);
  Status line_of(const Status& own) const;
  static void say(const Member&, char word);
  void tell(char word);
  bool over();

  const int self_;
  const Listener listener_;
  const Options options_;
  std::uint64_t token_ = 0;  // which run this is: strangers who connect do not know it
  std::vector<Member> members_;
  std::vector<Caller> callers_;
  std::optional<Fault> fault_;
  bool told_ = false;  // another member says why the run ended
  Clock::time_point next_beat_{};

  // What this process computes, as it was last seen.
  const Activity* activity_ = nullptr;  // none: it is no rank
  std::uint64_t work_done_ = 0;
  Clock::time_point work_began_ = Clock::now();  // not before
  Clock::duration longest_work_{};

  std::atomic<int> joined_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool leaving_ = false;           // guarded by mutex_, as are the next three
  bool empty_ = false;             // no member is connected
  bool ended_ = false;             // the thread is done
  std::optional<Status> failure_;  // this process's own
  FileDescriptor wake_;            // an eventfd
  std::thread thread_;
};

}  // namespace bauta
