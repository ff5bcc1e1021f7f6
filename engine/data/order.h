#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/rng.h"

namespace bauta {

/// Puts `values` into a random order, each order equally likely. (Fisher-Yates; Knuth, TAOCP vol. 2,
/// algorithm 3.4.2P)
void shuffle(std::span<int> values, Rng& rng);

/// The order in which an epoch (from 0) visits `samples`: shuffled by Rng(seed, shuffle, epoch) alone, so
/// that any epoch can be had without the ones before it; or, when `shuffled` is false, as given.
std::vector<int> epoch_order(std::span<const int> samples, std::uint64_t seed, int epoch,
                             bool shuffled = true);

}  // namespace bauta
