#include "engine/core/rng.h"

namespace bauta {

std::array<std::uint32_t, 4> philox(std::uint64_t key, const std::array<std::uint32_t, 4>& counter) {
  std::array<std::uint32_t, 4> c = counter;
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return c;
}

std::uint32_t Rng::word() {
  if (used_ == 4) {
    words_ = philox(seed_, {block_++, stream_, static_cast<std::uint32_t>(index_),
                            static_cast<std::uint32_t>(index_ >> 32)});
    used_ = 0;
  }
  return words_[static_cast<std::size_t>(used_++)];
}

// Lemire, "Fast random integer generation in an interval" (2019).
std::uint32_t Rng::below(std::uint32_t bound) {
  const std::uint32_t threshold = (0U - bound) % bound;
  std::uint64_t product = std::uint64_t{word()} * bound;
  while (static_cast<std::uint32_t>(product) < threshold) product = std::uint64_t{word()} * bound;
  return static_cast<std::uint32_t>(product >> 32);
}

}  // namespace bauta
