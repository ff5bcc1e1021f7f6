#pragma once

#include <atomic>
#include <cstdint>

namespace bauta {

/// What the thread that computes as a rank is at: it says so itself, and a watch in another thread looks on
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

  /// The next piece is of another sort than those before it, and may take longer.
  void expect_other_work() { first_of_sort_ = done_.load(); }
  /// Whether no piece of its sort was finished yet, so that nobody knows how long one takes.
  bool is_first_of_sort() const { return done_ == first_of_sort_; }

  /// Whether what was sent to other ranks, or is to come from them, has not arrived: they may be the ones
  /// that hang.
  bool waits_for_others() const { return waits_for_others_; }
  void set_waits_for_others(bool waits) { waits_for_others_ = waits; }

 private:
  std::atomic<Kind> kind_{Kind::unwatched};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> first_of_sort_{0};  // the pieces that were finished before
  std::atomic<bool> waits_for_others_{false};
};

}  // namespace bauta
