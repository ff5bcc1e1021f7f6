#pragma once

#include "kernels/common.h"
#include "kernels/simd.h"

namespace bauta::BAUTA_ISA {

/// Adds up the shards of a gradient tile, of Vec or float, in the one order of summing (see Shards) without
/// leaving the core: add() is called with the sum of shard 0, 1, 2 ... in turn and folds finished subtrees as
/// a binary counter carries. After the last shard of a power of two, the values passed in hold the whole sum.
template <class T, int kSize>
class ShardTree {
 public:
  void add(T (&sum)[kSize], int shard) {
    int level = 0;
    for (int carry = shard; carry & 1; carry >>= 1, ++level) {
      for (int i = 0; i < kSize; ++i) sum[i] = waiting_[level][i] + sum[i];
    }
    if (level == kLevels) return;
    for (int i = 0; i < kSize; ++i) waiting_[level][i] = sum[i];
  }

 private:
  static constexpr int kLevels = 3;  // log2(Shards::kTotal)
  T waiting_[kLevels][kSize] = {};
};

}  // namespace bauta::BAUTA_ISA
