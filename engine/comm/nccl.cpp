#include "engine/comm/nccl.h"

#include <cuda_runtime.h>
#include <nccl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "engine/core/device.h"
#include "engine/core/stream.h"

namespace bauta {
namespace {

constexpr std::chrono::seconds kLook{1};  // between two looks at what became of the sums

// NCCL connects GPUs and takes memory when it first chooses a way of adding, which goes by the size. So what
// a step adds up is tried out before others take the memory: a flag, a small bucket and a large one.
constexpr std::array<std::size_t, 3> kSizesToTry = {1, std::size_t{1} << 16, std::size_t{1} << 21};

Status check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return {};
  return Status::fault(std::string("CUDA: ") + cudaGetErrorString(error), call,
                       "nvidia-smi and dmesg tell of the GPU");
}

Status check(ncclResult_t result, const char* call) {
  if (result == ncclSuccess || result == ncclInProgress) return {};
  const std::string last = ncclGetLastError(nullptr);
  return Status::fault(std::string("NCCL: ") + ncclGetErrorString(result) + (last.empty() ? "" : ": " + last),
                       call, std::string(kNcclSaysMore) + ", nvidia-smi and dmesg tell of the GPUs");
}

// Before NCCL reads its environment. NVLS, sums in the switch between GPUs, has other bits at each call
// (https://github.com/NVIDIA/nccl/issues/1497); who prefers its speed sets the variable to 1. Calls return
// when they are done.
void choose_how_nccl_works() {
  ::setenv("NCCL_NVLS_ENABLE", "0", 0);
  ::setenv("NCCL_COMM_BLOCKING", "1", 1);
}

#define BAUTA_GPU(call, ...) BAUTA_TRY(check(call(__VA_ARGS__), #call))

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(const Context& context, Communicator& host, std::function<void(const Status&)> on_fault)
      : Communicator(host.rank(), host.hosts()),
        host_(host),
        compute_(context),
        on_fault_(std::move(on_fault)) {}

  // A sound communicator is left by all ranks together.
  ~NcclCommunicator() override {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
    if (nccl_ != nullptr) static_cast<void>(status_.ok() ? ncclCommDestroy(nccl_) : ncclCommAbort(nccl_));
  }

  Status open() {
    status_ = connect();
    BAUTA_TRY(status_);
    thread_ = std::thread([this] { look_after(); });
    return {};
  }

  Activity& activity() override { return host_.activity(); }
  bool sums_on_gpus() const override { return true; }

  void start_sum(std::span<float> values, const Context& computed) override {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = enqueue(values, computed);
  }
  void start_sum(std::span<double> values) override { host_.start_sum(values); }
  Status finish() override {
    BAUTA_TRY(join());
    return host_.finish();
  }

  Status broadcast(std::span<std::byte> bytes) override { return host_.broadcast(bytes); }
  Result<std::vector<std::string>> all_gather(const std::string& mine) override {
    return host_.all_gather(mine);
  }

 private:
  Status connect() {
    choose_how_nccl_works();
    BAUTA_TRY(check_distinct_gpus());
    ncclUniqueId id{};
    BAUTA_TRY(agree(host_, leads() ? check(ncclGetUniqueId(&id), "ncclGetUniqueId") : Status()));
    BAUTA_TRY(bauta::broadcast(host_, std::span(&id, 1)));
    BAUTA_TRY(make_stream());
    BAUTA_GPU(ncclCommInitRank, &nccl_, size(), id, rank());
    for (const std::size_t size : kSizesToTry) BAUTA_TRY(try_out(size));
    return {};
  }

  // NCCL may hang where two ranks have the same GPU.
  Status check_distinct_gpus() {
    int device = 0;
    BAUTA_GPU(cudaGetDevice, &device);
    cudaDeviceProp properties;
    BAUTA_TRY(check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties"));
    const auto all = host_.all_gather({properties.uuid.bytes, sizeof properties.uuid.bytes});
    if (!all.ok()) return all.status();
    const auto first = std::find(all->begin(), all->end(), (*all)[static_cast<std::size_t>(rank())]);
    const int other = static_cast<int>(first - all->begin());
    const Status mine =
        other == rank()
            ? Status()
            : Status::error("this GPU is also that of rank " + std::to_string(other), properties.name,
                            "start as many ranks on a host as it has GPUs, or use "
                            "--device cpu");
    return agree(host_, mine);
  }

  Status make_stream() {
    BAUTA_TRY(put_into(stream_, Stream::create(compute_)));
    BAUTA_TRY(put_into(ready_, Event::create(compute_)));
    return put_into(summed_, Event::create(compute_));
  }

  // A sum that is known beforehand: of each rank's number, from 1 on.
  Status try_out(std::size_t size) {
    const std::vector<float> mine(size, static_cast<float>(rank() + 1));
    const auto array = DeviceBuffer<float>::create(compute_, size);
    if (!array.ok()) return array.status();
    BAUTA_TRY(copy_to_device<float>(compute_, mine, array->span()));
    start_sum(array->span(), compute_);
    BAUTA_TRY(join());
    const auto sums = on_host<float>(compute_, array->span());
    if (!sums.ok()) return sums.status();
    const int right = this->size() * (this->size() + 1) / 2;
    const auto wrong =
        std::ranges::find_if(*sums, [&](float sum) { return sum != static_cast<float>(right); });
    if (wrong == sums->end()) return {};
    return Status::error(
        "NCCL adds up wrongly: the sum of 1 to " + std::to_string(this->size()) + " is " +
            std::to_string(*wrong),
        "ncclAllReduce",
        "test the links between the GPUs (nccl-tests); NCCL_P2P_DISABLE=1 does without some");
  }

  Status enqueue(std::span<float> values, const Context& computed) {
    const Context summing = stream_.of(compute_);
    BAUTA_TRY(ready_.record(computed));
    BAUTA_TRY(ready_.make_wait(summing));
    started_ = true;
    return check(ncclAllReduce(values.data(), values.data(), values.size(), ncclFloat, ncclSum, nccl_,
                               static_cast<cudaStream_t>(summing.stream)),
                 "ncclAllReduce");
  }

  // The compute stream waits for the sums that were started.
  Status join() {
    const std::lock_guard lock(mutex_);
    BAUTA_TRY(status_);
    if (!started_) return {};
    started_ = false;
    BAUTA_TRY(summed_.record(stream_.of(compute_)));
    return summed_.make_wait(compute_);
  }

  // What went wrong after a sum was enqueued: nothing else would end the wait for it.
  void look_after() {
    std::unique_lock lock(mutex_);
    while (status_.ok() && !changed_.wait_for(lock, kLook, [&] { return leaving_; })) {
      ncclResult_t found = ncclSuccess;
      status_ = check(ncclCommGetAsyncError(nccl_, &found), "ncclCommGetAsyncError");
      if (status_.ok()) status_ = check(found, "adding up the gradients of the GPUs");
    }
    if (status_.ok() || leaving_) return;
    const Status fault = status_;
    lock.unlock();
    on_fault_(fault);
  }

  Communicator& host_;
  const Context compute_;
  const std::function<void(const Status&)> on_fault_;
  Stream stream_;  // that of the sums
  Event ready_;    // what is to be added up is there
  Event summed_;   // and is added up

  std::mutex mutex_;
  std::condition_variable changed_;
  ncclComm_t nccl_ = nullptr;  // guarded by mutex_ from when the thread runs, as are the next three
  Status status_;              // the first failure
  bool started_ = false;       // sums that the compute stream does not wait for yet
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace

bool has_nccl() { return true; }

Result<std::unique_ptr<Communicator>> open_nccl(const Context& context, Communicator& host,
                                                std::function<void(const Status&)> on_fault) {
  auto communicator = std::make_unique<NcclCommunicator>(context, host, std::move(on_fault));
  BAUTA_TRY(communicator->open());
  return std::unique_ptr<Communicator>(std::move(communicator));
}

}  // namespace bauta
