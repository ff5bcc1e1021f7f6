#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/common.h"

namespace bauta {

/// A weighted mean in the making: Σ w·ℓ and Σ w.
struct WeightedLoss {
  double sum = 0;
  double weight = 0;

  double mean() const { return sum / weight; }
  WeightedLoss& operator+=(const WeightedLoss& other) {
    sum += other.sum;
    weight += other.weight;
    return *this;
  }
};

/// Class weights N/(K·n_c) of a training set: each class then counts alike. Every class must occur.
std::vector<float> balanced_class_weights(std::span<const std::int32_t> labels, int classes);

/// Σ over labels of weights[label].
double total_weight(std::span<const std::int32_t> labels, std::span<const float> weights);

/// The sum of a batch's losses, losses [shards.batch()], in the one order of summing, in double.
double sum_losses(std::span<const float> losses, const Shards& shards);

}  // namespace bauta
