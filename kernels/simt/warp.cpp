#include <algorithm>

#include "kernels/simt/block.h"

namespace bauta::simt::runtime {
namespace {

// Each lane has now seen what any of them has seen or done.
void share_what_was_seen(void* const* lanes, unsigned mask) {
  std::array<std::uint32_t, 32> seen = {};
  std::uint32_t stamp = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const auto& thread = *static_cast<const Thread*>(lanes[lane]);
    for (std::size_t i = 0; i < 32; ++i) seen[i] = std::max(seen[i], thread.seen[i]);
    seen[lane] = std::max(seen[lane], thread.stamp);
    stamp = std::max(stamp, thread.stamp);
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    auto& thread = *static_cast<Thread*>(lanes[lane]);
    thread.seen = seen;
    thread.stamp = stamp + 1;
  }
  const auto& any = *current;
  if (Counts* counts = any.block->counts(); counts != nullptr) {
    ++counts->warp_barriers;
    if (mask == ~0U) counts->flush(any.warp);
  }
}

}  // namespace

void sync_warp(unsigned mask, const Where& where) {
  current->block->meet(*current, mask, share_what_was_seen, current, where);
}

void begin_copy(const Place& shared, const Place& global, unsigned bytes, bool valid) {
  Thread& thread = *current;
  Block& block = *thread.block;
  const bool fits = shared.array != nullptr && shared.offset >= 0 &&
                    static_cast<std::size_t>(shared.offset) + bytes <= shared.bytes;
  AsyncCopy copy = {};
  if (valid) {
    std::memcpy(copy.data, access(global, Access::load, bytes, bytes), bytes);
  } else if (block.counts() != nullptr) {
    block.counts()->skip(thread.warp, thread.lane, global.where);
  }
  if (!fits) {
    block.fault(FaultKind::out_of_bounds, thread, shared.where,
                "cp.async to " + std::to_string(bytes) + " bytes at offset " + std::to_string(shared.offset) +
                    " of " + std::to_string(shared.bytes) + " bytes",
                "it must write to a shared array, or a row of one, and end within it");
    return;
  }
  copy.array = shared.array;
  copy.offset = static_cast<std::size_t>(shared.begin + shared.offset - shared.array->data());
  copy.bytes = bytes;
  copy.group = thread.group;
  copy.where = shared.where;
  if (copy.offset % bytes != 0) {
    block.fault(FaultKind::misaligned, thread, shared.where,
                "cp.async of " + std::to_string(bytes) + " bytes to offset " + std::to_string(copy.offset),
                "it needs an aligned address");
  }
  copy.array->begin_copy(thread, copy.offset, bytes, copy.where);
  if (block.counts() != nullptr) {
    block.counts()->note(thread.warp, thread.lane, Space::shared, Access::store, copy.offset, bytes,
                         copy.where);
  }
  thread.copies.push_back(copy);
}

void commit_copies() { ++current->group; }

void wait_copies(unsigned pending) {
  Thread& thread = *current;
  const auto arrived = [&](const AsyncCopy& copy) { return copy.group + pending < thread.group; };
  const auto end = std::find_if_not(thread.copies.begin(), thread.copies.end(), arrived);
  for (auto copy = thread.copies.begin(); copy != end; ++copy) {
    copy->array->end_copy(thread, copy->offset, copy->data, copy->bytes, copy->where);
  }
  thread.copies.erase(thread.copies.begin(), end);
}

}  // namespace bauta::simt::runtime
