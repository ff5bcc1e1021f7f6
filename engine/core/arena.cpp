#include "engine/core/arena.h"

#include <algorithm>
#include <numeric>

namespace bauta {

std::size_t ArenaPlan::add(std::size_t bytes, int first, int last) {
  arrays_.push_back({aligned(bytes), first, last});
  return arrays_.size() - 1;
}

void ArenaPlan::plan() {
  std::vector<std::size_t> order(arrays_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return arrays_[a].bytes > arrays_[b].bytes; });
  std::vector<const Array*> placed;  // by offset
  for (std::size_t index : order) {
    Array& array = arrays_[index];
    array.offset = 0;
    for (const Array* other : placed) {
      const bool alive_together = array.first <= other->last && other->first <= array.last;
      if (!alive_together) continue;
      if (array.offset + array.bytes <= other->offset) break;  // fits into the gap before it
      array.offset = std::max(array.offset, other->offset + other->bytes);
    }
    size_ = std::max(size_, array.offset + array.bytes);
    const auto by_offset = [](const Array* a, const Array* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &array, by_offset), &array);
  }
}

}  // namespace bauta
