#include "engine/comm/messages.h"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "engine/core/buffer.h"
#include "engine/core/stream.h"

namespace bauta {
namespace {

// Bytes in flight at a time: enough to hide the delay with which their arrival is noticed.
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

// Calls body(part) for the chunks of an array, in order, until one fails.
template <class T, class Body>
Status for_each_chunk(std::span<T> values, Body body) {
  constexpr std::size_t kChunk = kChunkBytes / sizeof(T);
  for (std::size_t done = 0; done < values.size(); done += kChunk) {
    BAUTA_TRY(body(values.subspan(done, std::min(kChunk, values.size() - done))));
  }
  return {};
}

class MessageCommunicator final : public Communicator {
 public:
  explicit MessageCommunicator(std::unique_ptr<Messages> messages)
      : Communicator(0, {}), messages_(std::move(messages)), thread_([this] { work(); }) {}

  ~MessageCommunicator() override { close(); }

  Status open() {
    Messages::Place place;
    BAUTA_TRY(run([&] {
      const auto opened = messages_->open();
      if (opened.ok()) place = *opened;
      return opened.status();
    }));
    set_world(place.rank, std::vector<std::string>(static_cast<std::size_t>(place.size)));
    auto names = all_gather(host_name());
    if (!names.ok()) return names.status();
    set_world(place.rank, std::move(*names));
    return {};
  }

  void start_sum(std::span<float> values, const Context& computed) override {
    post([this, values, waited = wait_for_stream(computed)] { return waited.ok() ? sum(values) : waited; });
  }
  void start_sum(std::span<double> values) override {
    post([this, values] { return sum(values); });
  }
  Status finish() override {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return unfinished_ == 0; });
    return status_;
  }

  Status broadcast(std::span<std::byte> bytes) override {
    return run([this, bytes] { return spread(bytes); });
  }

  Result<std::vector<std::string>> all_gather(const std::string& mine) override {
    std::vector<std::string> all(hosts().size());
    BAUTA_TRY(run([&] { return gather_into(mine, all); }));
    return all;
  }

  void close() override {
    if (!thread_.joinable()) return;
    post({});
    thread_.join();
  }

 private:
  using Job = std::function<Status()>;

  // An empty job ends the thread.
  void post(Job job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++unfinished_;
    activity().set_waits_for_others(true);
    posted_.notify_one();
  }

  Status run(Job job) {
    post(std::move(job));
    return finish();
  }

  // All that is done with the messages. After a failure nothing more is tried.
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      posted_.wait(lock, [&] { return !jobs_.empty(); });
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      if (!job) break;
      const bool sound = status_.ok();
      lock.unlock();
      Status status = sound ? job() : Status();
      lock.lock();
      if (!status.ok()) status_ = std::move(status);
      if (--unfinished_ > 0) continue;
      activity().set_waits_for_others(false);
      idle_.notify_all();
    }
    if (status_.ok()) messages_->close();
  }

  // Ranks beyond the largest power of two first hand theirs over and get the sum back at the end.
  template <class T>
  Status sum(std::span<T> values) {
    const int paired = static_cast<int>(std::bit_floor(static_cast<unsigned>(size())));
    const std::span<T> theirs = room_for<T>(values.size());
    return for_each_chunk(values, [&](std::span<T> chunk) -> Status {
      const auto bytes = std::as_writable_bytes(chunk);
      if (rank() >= paired) {
        BAUTA_TRY(messages_->exchange(rank() - paired, bytes, {}));
        return messages_->exchange(rank() - paired, {}, bytes);
      }
      const bool has_extra = rank() + paired < size();
      if (has_extra) BAUTA_TRY(add_from(rank() + paired, {}, chunk, theirs));
      BAUTA_TRY(sum_among(paired, 1, chunk, theirs));
      return has_extra ? messages_->exchange(rank() + paired, bytes, {}) : Status();
    });
  }

  // Where a partner's part of a chunk goes before it is added, for sums of `size` numbers. It grows and
  // stays: in training the first step has the largest sum.
  template <class T>
  std::span<T> room_for(std::size_t size) {
    const std::size_t bytes = std::min(kChunkBytes, size * sizeof(T));
    if (room_.size() < bytes) room_ = Buffer<std::byte>(bytes);
    return {reinterpret_cast<T*>(room_.data()), bytes / sizeof(T)};
  }

  // Recursive halving and doubling: with a partner `distance` ranks away each rank keeps one half of what it
  // has, gives the other and adds what it gets; the sums of that half over all pairs of pairs made, the
  // partners give each other theirs. Every number is the sum of one binary tree over the ranks: neighbours,
  // then pairs of neighbours, and so on. Which partner adds two numbers does not change their sum's bits.
  template <class T>
  Status sum_among(int ranks, int distance, std::span<T> values, std::span<T> theirs) {
    if (distance == ranks) return {};
    const int partner = rank() ^ distance;
    std::span<T> kept = values.first(values.size() / 2);
    std::span<T> given = values.subspan(values.size() / 2);
    if (partner < rank()) std::swap(kept, given);
    BAUTA_TRY(add_from(partner, std::as_bytes(given), kept, theirs));
    BAUTA_TRY(sum_among(ranks, 2 * distance, kept, theirs));
    return messages_->exchange(partner, std::as_bytes(kept), std::as_writable_bytes(given));
  }

  // Sends `out` and adds what the partner sends to `values`; `theirs` is room for it.
  template <class T>
  Status add_from(int partner, std::span<const std::byte> out, std::span<T> values, std::span<T> theirs) {
    BAUTA_TRY(messages_->exchange(partner, out, std::as_writable_bytes(theirs.first(values.size()))));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += theirs[i];
    return {};
  }

  // From rank 0: 1, 2, 4 ... ranks have the bytes and hand them to as many more.
  Status spread(std::span<std::byte> bytes) {
    return for_each_chunk(bytes, [&](std::span<std::byte> chunk) {
      for (int distance = 1; distance < size(); distance *= 2) {
        if (rank() < distance && rank() + distance < size()) {
          BAUTA_TRY(messages_->exchange(rank() + distance, chunk, {}));
        } else if (rank() >= distance && rank() < 2 * distance) {
          BAUTA_TRY(messages_->exchange(rank() - distance, {}, chunk));
        }
      }
      return Status();
    });
  }

  // Rank 0 collects the texts and hands all of them on, each behind its length.
  Status gather_into(const std::string& mine, std::vector<std::string>& all) {
    all[static_cast<std::size_t>(rank())] = mine;
    if (rank() != 0) BAUTA_TRY(send_text(mine));
    for (int other = 1; rank() == 0 && other < size(); ++other) {
      BAUTA_TRY(receive_text(other, all[static_cast<std::size_t>(other)]));
    }
    for (std::string& text : all) {
      std::uint64_t length = text.size();
      BAUTA_TRY(spread(std::as_writable_bytes(std::span(&length, 1))));
      text.resize(length);
      BAUTA_TRY(spread(std::as_writable_bytes(std::span(text))));
    }
    return {};
  }

  Status send_text(const std::string& text) {
    const std::uint64_t length = text.size();
    BAUTA_TRY(messages_->exchange(0, std::as_bytes(std::span(&length, 1)), {}));
    return for_each_chunk(std::as_bytes(std::span(text)),
                          [&](auto chunk) { return messages_->exchange(0, chunk, {}); });
  }

  Status receive_text(int from, std::string& text) {
    std::uint64_t length = 0;
    BAUTA_TRY(messages_->exchange(from, {}, std::as_writable_bytes(std::span(&length, 1))));
    text.resize(length);
    return for_each_chunk(std::as_writable_bytes(std::span(text)),
                          [&](auto chunk) { return messages_->exchange(from, {}, chunk); });
  }

  std::unique_ptr<Messages> messages_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::condition_variable idle_;
  std::deque<Job> jobs_;
  int unfinished_ = 0;
  Status status_;           // the first failure
  Buffer<std::byte> room_;  // the thread's
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Communicator>> communicate_by(std::unique_ptr<Messages> messages) {
  auto communicator = std::make_unique<MessageCommunicator>(std::move(messages));
  BAUTA_TRY(communicator->open());
  return std::unique_ptr<Communicator>(std::move(communicator));
}

}  // namespace bauta
