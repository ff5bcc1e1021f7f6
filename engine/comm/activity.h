#pragma once

#include <atomic>
#include <cstdint>

namespace bauta {

/// What a rank's computing thread is doing: it says so itself, and a watch in another thread looks on
/// (see Watch). All of an epoch is work, of pieces that take as long each time; what may take as long as a
/// disk or a terminal does is said to be unwatched.
class Activity {
 public:
  enum class Kind : std::uint8_t {
    unwatched,      ///< reads or writes files, speaks to the person, or has not begun
    computes,       ///< or gives its GPU work to do
    waits_for_gpu,  ///< which may itself wait for those of other ranks
  };

  /// A piece of work, from here to the end of the scope. Pieces may lie within each other.
  class Work {
   public:
    explicit Work(Activity& activity, Kind kind = Kind::computes)
        : activity_(activity), around_(activity.kind_.exchange(kind)) {}
    ~Work() {
      if (activity_.kind_.exchange(around_) == Kind::computes) ++activity_.done_;
    }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    Activity& activity_;
    const Kind around_;
  };

  Kind kind() const { return kind_; }
  /// Pieces of computing that were finished.
  std::uint64_t done() const { return done_; }

  /// The next piece may take `times` as long as those before it.
  void expect_longer_work(int times) {
    longer_ = times;
    longer_piece_ = done_.load();
  }
  /// As how many pieces before it the one at work may take; 1 unless it was expected to be longer.
  int times_longer() const { return done_ == longer_piece_ ? longer_.load() : 1; }

  /// Whether what was sent to other ranks, or is to come from them, has not arrived: they may be the ones
  /// that hang.
  bool waits_for_others() const { return waits_for_others_; }
  void set_waits_for_others(bool waits) { waits_for_others_ = waits; }

 private:
  std::atomic<Kind> kind_{Kind::unwatched};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<int> longer_{1};
  std::atomic<std::uint64_t> longer_piece_{0};  // the pieces that were finished before it
  std::atomic<bool> waits_for_others_{false};
};

}  // namespace bauta
