#include "kernels/simt/stream.h"

namespace bauta::simt::runtime {

void Stream::put(Job job) {
  jobs_.push_back(std::move(job));
  if (hasty_) static_cast<void>(run(size()));  // a failure stays
}

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
