#include "kernels/simt/shadow.h"

#include <algorithm>
#include <utility>

#include "kernels/simt/block.h"

namespace bauta::simt::runtime {
namespace {

Moment now(const Thread& thread, const Where& where) {
  return {thread.block->epoch(), thread.group_epoch, thread.stamp, thread.number, where};
}

bool is_of_group(int thread, const Thread& t) {
  return t.block->group_of(thread) == t.block->group_of(t.number);
}

// What thread t has waited for. A barrier of the block orders everything; one of a group or a warp what its
// threads did before.
bool before(const Moment& moment, const Thread& t) {
  if (moment.thread == t.number || moment.epoch < t.block->epoch()) return true;
  if (moment.group_epoch < t.group_epoch && is_of_group(moment.thread, t)) return true;
  return moment.thread / 32 == t.warp && t.seen[static_cast<std::size_t>(moment.thread % 32)] >= moment.stamp;
}

bool write_before(const Cell& cell, const Thread& t) {
  if (cell.several_atomics && cell.write.epoch == t.block->epoch()) return false;
  return before(cell.write, t);
}

bool reads_before(const Cell& cell, const Thread& t) {
  if (cell.read.epoch < t.block->epoch()) return true;
  const bool of_group = !cell.several_groups && is_of_group(cell.read.thread, t);
  if (of_group && cell.read.group_epoch < t.group_epoch) return true;
  if (cell.several_warps || cell.read.thread / 32 != t.warp) return false;
  for (int lane = 0; lane < 32; ++lane) {
    const bool other_reader = (cell.lanes >> lane & 1) != 0 && lane != t.lane;
    if (other_reader && t.seen[static_cast<std::size_t>(lane)] < cell.read.stamp) return false;
  }
  return true;
}

void report_race(Thread& t, Cell& cell, const Moment& other, const char* did, const Where& where) {
  cell.raced = true;
  t.block->fault(
      FaultKind::race, t, where,
      "race on shared memory: " + t.block->name(other.thread) + " " + did + " it at " + line(other.where),
      "put a barrier between the two", other.where);
}

void note_read(Cell& cell, const Thread& t, const Where& where) {
  const Moment moment = now(t, where);
  const std::uint32_t lane = 1U << t.lane;
  if (reads_before(cell, t)) {
    cell.lanes = lane;
    cell.several_warps = false;
    cell.several_groups = false;
    cell.read = moment;
    return;
  }
  cell.several_warps = cell.several_warps || cell.read.thread / 32 != t.warp;
  cell.several_groups = cell.several_groups || !is_of_group(cell.read.thread, t);
  cell.lanes |= lane;
  const Moment last = std::exchange(cell.read, moment);
  cell.read.group_epoch = std::max(last.group_epoch, moment.group_epoch);
  cell.read.stamp = std::max(last.stamp, moment.stamp);
}

void check_read(Cell& cell, Thread& t, const Where& where) {
  if (cell.write.epoch == 0) {
    t.block->read_uninitialised(cell, t, where);
  } else if (!write_before(cell, t)) {
    report_race(t, cell, cell.write, "wrote", where);
  }
}

void check_write(Cell& cell, Thread& t, bool atomic, const Where& where) {
  if (cell.write.epoch != 0 && !write_before(cell, t) && !(atomic && cell.atomic)) {
    report_race(t, cell, cell.write, "wrote", where);
  } else if (!reads_before(cell, t)) {
    report_race(t, cell, cell.read, "read", where);
  }
}

void note_write(Cell& cell, const Thread& t, bool atomic, const Where& where) {
  cell.several_atomics = atomic && cell.atomic && cell.write.epoch != 0 && !write_before(cell, t);
  cell.atomic = atomic;
  cell.write = now(t, where);
  cell.read = {};
}

bool refuse_copying(const Cell& cell, Thread& t, const Where& where) {
  if (!cell.copying) return false;
  t.block->fault(FaultKind::async_copy, t, where,
                 "cp.async of " + t.block->name(cell.write.thread) + " at " + line(cell.write.where) +
                     " may still be writing this shared memory",
                 "let that thread wait for its copy, and put a barrier after the wait");
  return true;
}

}  // namespace

SharedArray::SharedArray(std::size_t bytes, std::size_t element_bytes, std::size_t offset)
    : bytes_(bytes),
      element_bytes_(element_bytes),
      begin_(offset % sizeof(Line)),
      lines_((begin_ + bytes) / sizeof(Line) + 1),
      cells_((bytes + element_bytes - 1) / element_bytes) {
  std::memset(data(), 0xFF, bytes);
}

template <class Action>
void SharedArray::for_cells(std::size_t offset, std::size_t count, Action&& action) {
  const std::size_t end = (offset + count + element_bytes_ - 1) / element_bytes_;
  for (std::size_t i = offset / element_bytes_; i < end; ++i) action(cells_[i]);
}

void SharedArray::access(Thread& thread, Access kind, std::size_t offset, std::size_t count,
                         const Where& where) {
  for_cells(offset, count, [&](Cell& cell) {
    if (refuse_copying(cell, thread, where)) return;
    if (kind == Access::load) {
      check_read(cell, thread, where);
      note_read(cell, thread, where);
      return;
    }
    const bool atomic = kind == Access::atomic;
    if (atomic && cell.write.epoch == 0) thread.block->read_uninitialised(cell, thread, where);
    check_write(cell, thread, atomic, where);
    note_write(cell, thread, atomic, where);
  });
}

void SharedArray::begin_copy(Thread& thread, std::size_t offset, std::size_t count, const Where& where) {
  for_cells(offset, count, [&](Cell& cell) {
    if (refuse_copying(cell, thread, where)) return;
    check_write(cell, thread, false, where);
    note_write(cell, thread, false, where);
    cell.copying = true;
  });
}

void SharedArray::end_copy(Thread& thread, std::size_t offset, const std::byte* from, std::size_t count,
                           const Where& where) {
  std::memcpy(data() + offset, from, count);
  for_cells(offset, count, [&](Cell& cell) {
    cell.copying = false;
    note_write(cell, thread, false, where);
  });
}

}  // namespace bauta::simt::runtime
