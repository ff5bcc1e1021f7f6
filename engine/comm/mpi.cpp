#include "engine/comm/mpi.h"

#include <mpi.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "engine/comm/messages.h"

namespace bauta {
namespace {

// Between two looks at a message that is under way. The first is as good as at once, for a step's last sums
// are waited for; the longer a partner is late, the longer the core is left to compute.
constexpr std::chrono::microseconds kShortestNap{4};
constexpr std::chrono::microseconds kLongestNap{64};

Status check(int code, const char* call) {
  if (code == MPI_SUCCESS) return {};
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return Status::fault(std::string(call) + " failed: " + text.data(), "MPI",
                       "check the hosts and the network between them");
}

#define BAUTA_MPI(call, ...) BAUTA_TRY(check(call(__VA_ARGS__), #call))

class MpiMessages final : public Messages {
 public:
  Result<Place> open() override {
    ::prctl(PR_SET_TIMERSLACK, 1000);  // or the shortest nap lasts four times as long
    int provided = 0;
    BAUTA_MPI(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    BAUTA_MPI(MPI_Comm_set_errhandler, MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    Place place;
    BAUTA_MPI(MPI_Comm_rank, MPI_COMM_WORLD, &place.rank);
    BAUTA_MPI(MPI_Comm_size, MPI_COMM_WORLD, &place.size);
    return place;
  }

  Status exchange(int partner, std::span<const std::byte> out, std::span<std::byte> in) override {
    const auto count = [](auto bytes) { return static_cast<int>(bytes.size()); };
    std::array<MPI_Request, 2> requests = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    if (!in.empty()) {
      BAUTA_MPI(MPI_Irecv, in.data(), count(in), MPI_BYTE, partner, 0, MPI_COMM_WORLD, &requests[0]);
    }
    if (!out.empty()) {
      BAUTA_MPI(MPI_Isend, out.data(), count(out), MPI_BYTE, partner, 0, MPI_COMM_WORLD, &requests[1]);
    }
    int done = 0;
    for (auto nap = kShortestNap;; nap = std::min(2 * nap, kLongestNap)) {
      BAUTA_MPI(MPI_Testall, 2, requests.data(), &done, MPI_STATUSES_IGNORE);
      if (done != 0) return {};
      std::this_thread::sleep_for(nap);
    }
  }

  void close() override { MPI_Finalize(); }
};

}  // namespace

bool has_mpi() { return true; }

Result<std::unique_ptr<Communicator>> open_mpi(const World&) {
  return communicate_by(std::make_unique<MpiMessages>());
}

}  // namespace bauta
