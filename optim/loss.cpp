#include "optim/loss.h"

namespace bauta {

std::vector<float> balanced_class_weights(std::span<const std::int32_t> labels, int classes) {
  std::vector<double> counts(static_cast<std::size_t>(classes), 0);
  for (std::int32_t label : labels) ++counts[static_cast<std::size_t>(label)];
  std::vector<float> weights;
  weights.reserve(counts.size());
  for (double count : counts) {
    weights.push_back(static_cast<float>(static_cast<double>(labels.size()) / (classes * count)));
  }
  return weights;
}

double total_weight(std::span<const std::int32_t> labels, std::span<const float> weights) {
  double sum = 0;
  for (std::int32_t label : labels) sum += weights[static_cast<std::size_t>(label)];
  return sum;
}

double sum_losses(std::span<const float> losses, const Shards& shards) {
  double sums[Shards::kTotal] = {};
  for (int shard = 0; shard < shards.count; ++shard) {
    for (int n = shards.begin(shard); n < shards.begin(shard + 1); ++n) {
      sums[shard] += losses[static_cast<std::size_t>(n)];
    }
  }
  for (int stride = 1; stride < shards.count; stride *= 2) {
    for (int shard = 0; shard < shards.count; shard += 2 * stride) sums[shard] += sums[shard + stride];
  }
  return sums[0];
}

}  // namespace bauta
