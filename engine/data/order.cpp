#include "engine/data/order.h"

#include <utility>

namespace bauta {

void shuffle(std::span<int> values, Rng& rng) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[rng.below(static_cast<std::uint32_t>(left))]);
  }
}

std::vector<int> epoch_order(std::span<const int> samples, std::uint64_t seed, int epoch, bool shuffled) {
  std::vector<int> order(samples.begin(), samples.end());
  if (shuffled) {
    Rng rng(seed, RngStream::shuffle, static_cast<std::uint64_t>(epoch));
    shuffle(order, rng);
  }
  return order;
}

}  // namespace bauta
