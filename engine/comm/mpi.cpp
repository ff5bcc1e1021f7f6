#include "engine/comm/mpi.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace bauta {
namespace {

// Bytes that are on their way at a time: small enough to be added up in the cache.
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
// Between two looks at a message that is under way: as good as at once beside a training step, and the core
// stays free to compute.
constexpr std::chrono::microseconds kNap{20};

MPI_Datatype type_of(float) { return MPI_FLOAT; }
MPI_Datatype type_of(double) { return MPI_DOUBLE; }

Status check(int code, const char* call) {
  if (code == MPI_SUCCESS) return {};
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return Status::error(std::string(call) + " failed: " + text.data(), "MPI",
                       "check the hosts and the network between them, then go on with --resume");
}

#define BAUTA_MPI(call, ...) BAUTA_TRY(check(call(__VA_ARGS__), #call))

int count_of(std::size_t size) { return static_cast<int>(size); }

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() : Communicator(0, {}), thread_([this] { work(); }) {}

  ~MpiCommunicator() override {
    post({});
    thread_.join();
  }

  Status open() {
    std::vector<std::string> hosts;
    int rank = 0;
    BAUTA_TRY(run([&] {
      int provided = 0;
      BAUTA_MPI(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
      BAUTA_MPI(MPI_Comm_set_errhandler, MPI_COMM_WORLD, MPI_ERRORS_RETURN);
      int size = 1;
      BAUTA_MPI(MPI_Comm_rank, MPI_COMM_WORLD, &rank);
      BAUTA_MPI(MPI_Comm_size, MPI_COMM_WORLD, &size);
      hosts.resize(static_cast<std::size_t>(size));
      return Status();
    }));
    set_world(rank, hosts);
    auto names = gather(host_name());
    if (!names.ok()) return names.status();
    set_world(rank, std::move(*names));
    return {};
  }

  void start_sum(std::span<float> values) override {
    post([this, values] { return sum(values); });
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
    return run([bytes] {
      for (std::size_t done = 0; done < bytes.size(); done += kChunkBytes) {
        const auto part = bytes.subspan(done, std::min(kChunkBytes, bytes.size() - done));
        MPI_Request request = MPI_REQUEST_NULL;
        BAUTA_MPI(MPI_Ibcast, part.data(), count_of(part.size()), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
        BAUTA_TRY(wait({&request, 1}));
      }
      return Status();
    });
  }

  Result<std::vector<std::string>> gather(const std::string& mine) override {
    std::vector<std::string> all(hosts().size());
    BAUTA_TRY(run([&] { return gather_into(mine, all); }));
    return all;
  }

 private:
  using Job = std::function<Status()>;

  // An empty job ends the thread.
  void post(Job job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++unfinished_;
    posted_.notify_one();
  }

  Status run(Job job) {
    post(std::move(job));
    return finish();
  }

  // Everything between MPI_Init and MPI_Finalize. After a failure nothing more is tried.
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
      if (--unfinished_ == 0) idle_.notify_all();
    }
    int initialized = 0;
    if (status_.ok() && MPI_Initialized(&initialized) == MPI_SUCCESS && initialized != 0) MPI_Finalize();
  }

  static Status wait(std::span<MPI_Request> requests) {
    for (;;) {
      int done = 0;
      BAUTA_MPI(MPI_Testall, count_of(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
      if (done != 0) return {};
      std::this_thread::sleep_for(kNap);
    }
  }

  // Recursive doubling: with a partner 1, 2, 4 ... ranks away each rank exchanges what it has and adds it up,
  // so that after the last exchange all have the sum of one binary tree over the ranks. Ranks beyond the
  // largest power of two first hand theirs over and get the sum back at the end. Both partners add the same
  // two numbers, which has the same bits in either order.
  template <class T>
  Status sum(std::span<T> values) {
    constexpr std::size_t kChunk = kChunkBytes / sizeof(T);
    std::vector<T> theirs(std::min(kChunk, values.size()));
    for (std::size_t done = 0; done < values.size(); done += kChunk) {
      BAUTA_TRY(
          sum_chunk(values.subspan(done, std::min(kChunk, values.size() - done)), std::span<T>(theirs)));
    }
    return {};
  }

  template <class T>
  Status sum_chunk(std::span<T> values, std::span<T> theirs) {
    const int paired = static_cast<int>(std::bit_floor(static_cast<unsigned>(size())));
    if (rank() >= paired) {
      BAUTA_TRY(send(values, rank() - paired));
      return receive(values, rank() - paired);
    }
    const auto add = [&] {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += theirs[i];
    };
    const bool has_extra = rank() + paired < size();
    if (has_extra) {
      BAUTA_TRY(receive(theirs.first(values.size()), rank() + paired));
      add();
    }
    for (int distance = 1; distance < paired; distance *= 2) {
      BAUTA_TRY(exchange(values, theirs, rank() ^ distance));
      add();
    }
    return has_extra ? send(values, rank() + paired) : Status();
  }

  template <class T>
  static Status send(std::span<T> values, int to) {
    MPI_Request request = MPI_REQUEST_NULL;
    BAUTA_MPI(MPI_Isend, values.data(), count_of(values.size()), type_of(T()), to, 0, MPI_COMM_WORLD,
              &request);
    return wait({&request, 1});
  }

  template <class T>
  static Status receive(std::span<T> values, int from) {
    MPI_Request request = MPI_REQUEST_NULL;
    BAUTA_MPI(MPI_Irecv, values.data(), count_of(values.size()), type_of(T()), from, 0, MPI_COMM_WORLD,
              &request);
    return wait({&request, 1});
  }

  template <class T>
  static Status exchange(std::span<T> mine, std::span<T> theirs, int partner) {
    const int count = count_of(mine.size());
    std::array<MPI_Request, 2> requests = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    BAUTA_MPI(MPI_Irecv, theirs.data(), count, type_of(T()), partner, 0, MPI_COMM_WORLD, &requests[0]);
    BAUTA_MPI(MPI_Isend, mine.data(), count, type_of(T()), partner, 0, MPI_COMM_WORLD, &requests[1]);
    return wait(requests);
  }

  // First the lengths, then the texts behind each other.
  Status gather_into(const std::string& mine, std::vector<std::string>& all) const {
    const int length = count_of(mine.size());
    std::vector<int> lengths(all.size());
    MPI_Request request = MPI_REQUEST_NULL;
    BAUTA_MPI(MPI_Iallgather, &length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, &request);
    BAUTA_TRY(wait({&request, 1}));
    std::vector<int> begins(all.size());
    for (std::size_t r = 1; r < all.size(); ++r) begins[r] = begins[r - 1] + lengths[r - 1];
    std::string texts(static_cast<std::size_t>(begins.back() + lengths.back()), '\0');
    BAUTA_MPI(MPI_Iallgatherv, mine.data(), length, MPI_BYTE, texts.data(), lengths.data(), begins.data(),
              MPI_BYTE, MPI_COMM_WORLD, &request);
    BAUTA_TRY(wait({&request, 1}));
    for (std::size_t r = 0; r < all.size(); ++r) {
      all[r] = texts.substr(static_cast<std::size_t>(begins[r]), static_cast<std::size_t>(lengths[r]));
    }
    return {};
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::condition_variable idle_;
  std::deque<Job> jobs_;
  int unfinished_ = 0;
  Status status_;  // the first failure
  std::thread thread_;
};

}  // namespace

bool has_mpi() { return true; }

Result<std::unique_ptr<Communicator>> open_mpi(const World&) {
  auto communicator = std::make_unique<MpiCommunicator>();
  BAUTA_TRY(communicator->open());
  return std::unique_ptr<Communicator>(std::move(communicator));
}

}  // namespace bauta
