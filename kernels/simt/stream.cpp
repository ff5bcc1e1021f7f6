#include "kernels/simt/stream.h"

namespace bauta::simt::runtime {

Status Stream::run(std::int64_t end) {
  while (done_ < end) {
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++done_;
    const Status status = job();
    if (failure_.ok()) failure_ = status;
  }
  return failure_;
}

}  // namespace bauta::simt::runtime
