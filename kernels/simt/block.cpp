#include "kernels/simt/block.h"

#include <algorithm>
#include <cstdio>

namespace bauta::simt::runtime {

constinit thread_local Thread* current = nullptr;

namespace {

std::string name_of(const char* what, dim3 index) {
  return std::string(what) + " (" + std::to_string(index.x) + "," + std::to_string(index.y) + "," +
         std::to_string(index.z) + ")";
}

std::string hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

bool same(const Where& a, const Where& b) {
  if (std::memcmp(&a, &b, sizeof a) == 0) return true;  // nearly always it is the very same record
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

// Whether they have all ended, or wait at one line.
bool are_all(std::span<const Thread> threads, Thread::State state) {
  return std::all_of(threads.begin(), threads.end(), [&](const Thread& thread) {
    return thread.state == state &&
           (state == Thread::State::done || same(thread.where, threads.front().where));
  });
}

}  // namespace

std::string line(const Where& where) {
  return std::string(file_of(where)) + ":" + std::to_string(where.line());
}

void Block::run(const Shape& shape, dim3 index, const std::function<void()>& kernel, Counts* counts,
                std::vector<Fault>& faults) {
  shape_ = &shape;
  index_ = index;
  kernel_ = &kernel;
  counts_ = counts;
  faults_ = &faults;
  first_fault_ = faults.size();
  epoch_ = 1;
  ++serial_;
  stopped_ = false;
  static_shared_ = 0;
  count_ = static_cast<int>(shape.block.count());
  threads_ = std::vector<Thread>(static_cast<std::size_t>(count_));
  for (int i = 0; i < count_; ++i) start(thread(i), i);
  while (static_cast<int>(fibers_.size()) < count_) {
    fibers_.push_back(std::make_unique<Fiber>(thread_main, this));
  }
  while (run_ready_threads() || pass_barriers()) {
  }
  report_uninitialised_reads();
  if (stopped_) fibers_.clear();  // some stand in the middle of the kernel
  arrays_.clear();
  dynamic_.clear();
}

Thread& Block::thread(int number) { return threads_[static_cast<std::size_t>(number)]; }

void Block::start(Thread& thread, int number) {
  const dim3& size = shape_->block;
  const auto n = static_cast<unsigned>(number);
  thread.block = this;
  thread.index = dim3(n % size.x, n / size.x % size.y, n / size.x / size.y);
  thread.number = number;
  thread.warp = number / 32;
  thread.lane = number % 32;
}

void Block::thread_main(void* block) {
  auto* self = static_cast<Block*>(block);
  for (;;) {
    (*self->kernel_)();
    self->wait(*current, Thread::State::done, {});
  }
}

bool Block::run_ready_threads() {
  bool any = false;
  for (int i = 0; i < count_ && !stopped_; ++i) {
    if (thread(i).state != Thread::State::ready) continue;
    any = true;
    current = &thread(i);
    fibers_[static_cast<std::size_t>(i)]->enter();
    current = nullptr;
  }
  return any && !stopped_;
}

void Block::wait(Thread& thread, Thread::State state, const Where& where) {
  thread.state = state;
  thread.where = where;
  fibers_[static_cast<std::size_t>(thread.number)]->leave();
}

void Block::barrier(Thread& thread, const Where& where) { wait(thread, Thread::State::at_barrier, where); }

void Block::group_barrier(Thread& thread, const Where& where) {
  const dim3& threads = shape_->block;
  if (threads.x % 32 != 0 || threads.y > 15 || threads.z > 1) {
    fault(FaultKind::barrier, thread, where,
          "sync_group in a block of " + std::to_string(threads.x) + "x" + std::to_string(threads.y) + "x" +
              std::to_string(threads.z) + " threads",
          "groups must be whole warps, and at most 15: launch with a multiple of 32 in x, 15 in y, 1 in z");
  }
  wait(thread, Thread::State::at_group_barrier, where);
}

std::span<Thread> Block::group(int number) {
  const auto size = static_cast<std::size_t>(shape_->block.x);
  return std::span(threads_).subspan(static_cast<std::size_t>(number) * size, size);
}

// No thread can go on. All have ended, or all of a group or of the block are at one barrier and it lets them
// pass, or they are stuck.
bool Block::pass_barriers() {
  if (stopped_) return false;
  if (pass_group_barriers()) return true;
  if (are_all(threads_, Thread::State::done)) return false;
  if (!are_all(threads_, Thread::State::at_barrier)) {
    report_stuck();
    return false;
  }
  report_uninitialised_reads();
  ++epoch_;
  pass(threads_);
  return true;
}

bool Block::pass_group_barriers() {
  bool any = false;
  for (int number = 0; number <= group_of(count_ - 1); ++number) {
    const std::span<Thread> threads = group(number);
    if (!are_all(threads, Thread::State::at_group_barrier)) continue;
    any = true;
    for (Thread& thread : threads) ++thread.group_epoch;
    pass(threads);
  }
  return any;
}

void Block::pass(std::span<Thread> threads) {
  for (Thread& thread : threads) thread.state = Thread::State::ready;
  if (counts_ == nullptr) return;
  ++counts_->barriers;
  for (int warp = threads.front().warp; warp <= threads.back().warp; ++warp) counts_->flush(warp);
}

void Block::meet(Thread& thread, unsigned mask, Together together, void* argument, const Where& where) {
  if ((mask >> thread.lane & 1) == 0) {
    fault(FaultKind::warp_mask, thread, where,
          "lane " + std::to_string(thread.lane) + " is not in its own mask " + hex(mask),
          "a lane must be in the mask that it gives");
    stopped_ = true;
    wait(thread, Thread::State::done, where);
  }
  thread.mask = mask;
  thread.together = together;
  thread.argument = argument;
  thread.where = where;
  thread.state = Thread::State::in_meeting;
  if (missing_lane(thread) >= 0) return wait(thread, Thread::State::in_meeting, where);
  void* arguments[32] = {};
  const int first = thread.warp * 32;
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    arguments[lane] = this->thread(first + lane).argument;
    this->thread(first + lane).state = Thread::State::ready;
  }
  together(arguments, mask);
}

// The first lane of the mask that is not at the same meeting; -1 when all are.
int Block::missing_lane(const Thread& waiting) {
  for (int lane = 0; lane < 32; ++lane) {
    if ((waiting.mask >> lane & 1) == 0) continue;
    const int number = waiting.warp * 32 + lane;
    if (number >= count_) return lane;
    const Thread& other = thread(number);
    if (other.state != Thread::State::in_meeting || other.mask != waiting.mask ||
        other.together != waiting.together || !same(other.where, waiting.where)) {
      return lane;
    }
  }
  return -1;
}

SharedArray* Block::allocate(std::size_t bytes, std::size_t element_bytes) {
  static_shared_ += bytes;
  return arrays_.emplace_back(std::make_unique<SharedArray>(bytes, element_bytes)).get();
}

SharedArray* Block::dynamic(Thread& thread, std::size_t offset, std::size_t bytes, std::size_t element_bytes,
                            const Where& where) {
  auto [entry, added] = dynamic_.try_emplace(offset, nullptr);
  if (!added && entry->second->bytes() == bytes) return entry->second;
  const auto next = std::next(entry);
  const std::size_t end = next == dynamic_.end() ? shape_->dynamic_shared : next->first;
  const bool clear = added && (entry == dynamic_.begin() ||
                               std::prev(entry)->first + std::prev(entry)->second->bytes() <= offset);
  if (!clear || offset + bytes > end) {
    fault(FaultKind::out_of_bounds, thread, where,
          "an array of " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
              " does not fit into the dynamic shared memory of " + std::to_string(shape_->dynamic_shared) +
              " bytes",
          "lay the arrays out one behind the other, and launch with the sum of their sizes");
  }
  entry->second = arrays_.emplace_back(std::make_unique<SharedArray>(bytes, element_bytes, offset)).get();
  return entry->second;
}

void Block::fault(FaultKind kind, const Thread& thread, const Where& where, const std::string& what,
                  const std::string& fix, const Where& other) {
  const unsigned here = where.line();
  const unsigned there = other.line();
  const auto known = [&](const Fault& f) {
    return f.kind == kind && f.file == file_of(where) &&
           std::minmax(f.line, f.other_line) == std::minmax(here, there);
  };
  if (std::any_of(faults_->begin() + static_cast<std::ptrdiff_t>(first_fault_), faults_->end(), known))
    return;
  const std::string at = "kernel " + shape_->kernel + ", " + name_of("block", index_) + ", " +
                         name_of("thread", thread.index) + ", " + line(where);
  faults_->push_back({kind, shape_->kernel, index_, thread.index, file_of(where), where.line(), other.line(),
                      Status::error(what, at, fix)});
}

void Block::read_uninitialised(Cell& cell, const Thread& thread, const Where& where) {
  uninitialised_.push_back({&cell, thread.number, where});
}

void Block::report_uninitialised_reads() {
  for (const UninitialisedRead& read : uninitialised_) {
    if (read.cell->raced) continue;
    fault(FaultKind::uninitialised, thread(read.thread), read.where,
          "read of shared memory that nothing was written to", "write it first");
  }
  uninitialised_.clear();
}

std::string Block::name(int thread) const {
  return name_of("thread", threads_[static_cast<std::size_t>(thread)].index);
}

std::string Block::whereabouts(const Thread& thread) const {
  return name(thread.number) +
         (thread.state == Thread::State::done ? " has returned" : " waits at " + line(thread.where));
}

// What fewer threads wait for tells more: a warp's operation than a group's barrier, and that than the
// block's.
void Block::report_stuck() {
  stopped_ = true;
  for (const Thread& thread : threads_) {
    if (thread.state == Thread::State::in_meeting) return report_stuck_meeting(thread);
  }
  for (const Thread& thread : threads_) {
    if (thread.state == Thread::State::at_group_barrier)
      return report_stuck_barrier(thread, group(group_of(thread.number)), "sync_group", "group");
  }
  for (const Thread& thread : threads_) {
    if (thread.state == Thread::State::at_barrier)
      return report_stuck_barrier(thread, threads_, "__syncthreads", "block");
  }
}

void Block::report_stuck_barrier(const Thread& waiting, std::span<const Thread> threads,
                                 const std::string& barrier, const std::string& whose) {
  const auto here = [&](const Thread& thread) {
    return thread.state == waiting.state && same(thread.where, waiting.where);
  };
  const auto reached = std::count_if(threads.begin(), threads.end(), here);
  const auto absent = std::find_if_not(threads.begin(), threads.end(), here);
  fault(FaultKind::barrier, waiting, waiting.where,
        barrier + " is reached by " + std::to_string(reached) + " of " + std::to_string(threads.size()) +
            " threads, " + whereabouts(*absent),
        "every thread of the " + whose + " must come to the same " + barrier);
}

void Block::report_stuck_meeting(const Thread& waiting) {
  const int lane = missing_lane(waiting);
  const int number = waiting.warp * 32 + lane;
  fault(FaultKind::barrier, waiting, waiting.where,
        "lane " + std::to_string(lane) + " does not come to this operation of the mask " + hex(waiting.mask) +
            ": " + (number < count_ ? whereabouts(thread(number)) : "the block has no such thread"),
        "every lane of the mask must come to the same operation with the same mask");
}

std::byte* access(const Place& place, Access kind, unsigned bytes, unsigned alignment) {
  Thread& thread = *current;
  Block& block = *thread.block;
  alignas(16) static thread_local constinit std::byte elsewhere[16] = {};
  const char* space = place.array == nullptr ? "global" : "shared";
  if (place.offset < 0 || static_cast<std::size_t>(place.offset) + bytes > place.bytes) {
    block.fault(FaultKind::out_of_bounds, thread, place.where,
                std::to_string(bytes) + " bytes at offset " + std::to_string(place.offset) + " of " +
                    std::to_string(place.bytes) + " bytes of " + space + " memory",
                "the array, or its row, ends there");
    std::fill(std::begin(elsewhere), std::end(elsewhere), std::byte{0});
    return elsewhere;
  }
  std::byte* memory = place.begin + place.offset;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  if (address % alignment != 0) {
    block.fault(
        FaultKind::misaligned, thread, place.where,
        std::to_string(bytes) + " bytes at an address of " + space + " memory that is no multiple of it",
        "a vector access needs an aligned address");
  }
  std::uint64_t counted = address;
  if (place.array != nullptr) {
    const auto offset = static_cast<std::size_t>(memory - place.array->data());
    place.array->access(thread, kind, offset, bytes, place.where);
    counted = offset;
  }
  if (block.counts() != nullptr) {
    block.counts()->note(thread.warp, thread.lane, place.array == nullptr ? Space::global : Space::shared,
                         kind, counted, bytes, place.where);
  }
  return memory;
}

}  // namespace bauta::simt::runtime
