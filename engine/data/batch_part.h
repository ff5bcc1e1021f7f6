#pragma once

#include "kernels/common.h"

namespace bauta {

/// What one rank computes of a global batch: the samples [first, first + size()).
struct BatchPart {
  int first = 0;
  Shards shards;  ///< how this rank's samples are added up

  int size() const { return shards.batch(); }
};

/// Rank `rank`'s part of a global batch of B samples. 1, 2, 4 and 8 ranks get neighbouring shards, whole
/// subtrees of the one order of summing, so that their sums, added up pairwise, have the bits of one process.
/// Any other number of ranks gets an even cut by samples, each part with a tree of its own, and agrees with
/// one process to rounding. A part may be empty; none is larger than largest_part().
inline BatchPart batch_part(int batch, int rank, int ranks) {
  if (ranks == 1 || ranks == 2 || ranks == 4 || ranks == 8) {
    const int count = Shards::kTotal / ranks;
    const Shards shards{batch, rank * count, count};
    return {shards.global_begin(shards.first), shards};
  }
  const auto begin = [&](int r) { return static_cast<int>(Index{r} * batch / ranks); };
  return {begin(rank), Shards{begin(rank + 1) - begin(rank)}};
}

/// Samples of the largest batch_part: B / ranks, rounded up.
inline int largest_part(int batch, int ranks) { return (batch + ranks - 1) / ranks; }

}  // namespace bauta
