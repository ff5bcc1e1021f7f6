#pragma once

#include "kernels/cuda/vectors.h"

/// What the kernels share that compute a product of matrices, c[m][n] = Σ_k a[m][k]·b[k][n], by tiles of c.
/// A block computes a tile. Slices of a and b, some k deep, pass through shared memory, two in flight. What
/// the tile's type says: the rows and columns of c, the depth of a slice, the threads of a block, how slices
/// lie in shared memory (A, B), and who has which sums (Thread, Sums):
///
///   FmaTile (fma_gemm.h)  fp32: slices are copied as they are (cp.async), products are fma
///   MmaTile (mma_gemm.h)  bf16: slices are rounded on their way, products are the tensor cores'
///
/// Of c, a thread has fours of neighbouring columns: sums[r][f] is at row(r), from column(f) on. Where there
/// are few sums for the threads, the block's parts take their share of every slice (sliced-K), and are added
/// up at the end, in order: part 0 then has them. All sums have a fixed order: the same bits on every run.
namespace bauta::BAUTA_DEVICE {

inline constexpr int kGemmThreads = 128;  // of a block, if its tile does not say otherwise

/// The thread's number in its group; a block is one group, or several that threadIdx.y tells apart.
__device__ __forceinline__ int thread_in_group() { return static_cast<int>(threadIdx.x); }

/// How a slice of a matrix lies in shared memory: K-major, a row along k for each line (row or column) of the
/// tile, or MN-major, a row of lines for each k.
enum class Major { k, mn };

/// Which vectors of a slice of kRows x kColumns a thread moves: kCount of them, in rows row(0), row(1) ...,
/// all at column(). The last may lie beyond kRows where kRows is more than kStep and no multiple of it: who
/// moves such a slice has to check.
template <class Tile, int kVector, int kRows, int kColumns>
struct ThreadMap {
  static constexpr int kLanes = kColumns / kVector;
  static constexpr int kStep = Tile::kThreads / kLanes;
  static constexpr int kCount = ceil_div(kRows, kStep);

  __device__ __forceinline__ static int column() { return thread_in_group() % kLanes * kVector; }
  __device__ __forceinline__ static int row(int i) {
    return Tile::template first_row<kLanes>(thread_in_group() / kLanes) + i * kStep;
  }
  /// Whether there is a row(0), for this thread.
  __device__ __forceinline__ static bool any() { return kStep <= kRows || row(0) < kRows; }
};

/// The same, of a slice that is kRows positions of kColumns: a thread's follow one another, up to four, so
/// that it finds once where the four of a window begin.
template <class Tile, int kVector, int kRows, int kColumns>
struct PositionsThreadMap : ThreadMap<Tile, kVector, kRows, kColumns> {
  using Base = ThreadMap<Tile, kVector, kRows, kColumns>;
  static constexpr int kRun = Base::kCount < 4 ? Base::kCount : 4;

  __device__ __forceinline__ static int row(int i) {
    const auto run = static_cast<unsigned>(thread_in_group() / Base::kLanes + i / kRun * Base::kStep);
    return static_cast<int>(run * kRun + static_cast<unsigned>(i % kRun));
  }
};

/// The same, of windows: kRows of them, whose vectors are put into four rows each.
template <class Tile, int kVector, int kRows, int kColumns>
struct WindowsThreadMap : ThreadMap<Tile, kVector, kRows, kColumns> {
  using Base = ThreadMap<Tile, kVector, kRows, kColumns>;

  __device__ __forceinline__ static int row(int i) {
    return thread_in_group() / Base::kLanes + i * Base::kStep;
  }
  __device__ __forceinline__ static bool any() { return Base::kStep <= kRows || row(0) < kRows; }
};

/// A matrix of the product, as a thread moves it to shared memory: for the slice at k, from(k)(row) is the
/// vector that goes to this row of its map.
template <class ThreadMap_, class From>
struct Operand {
  using ThreadMap = ThreadMap_;
  From from;
  bool moves;  ///< false: this thread leaves its part of the slices as it is
};
template <class ThreadMap, class From>
__device__ __forceinline__ Operand<ThreadMap, From> operand(const From& from, bool moves = ThreadMap::any()) {
  return {from, moves};
}

/// Moves a thread's part of something to shared memory: fetch(i) reads its i-th piece of kCount, put(i,
/// piece) writes it. Up to kMax are read before the first of them is written, so that memory is waited for
/// once and not for each.
template <int kCount, int kMax, class Fetch, class Put>
__device__ __forceinline__ void move_pieces(const Fetch& fetch, const Put& put) {
  constexpr int kAtOnce = ceil_div(kCount, ceil_div(kCount, kMax));
#pragma unroll 1
  for (int first = 0; first < kCount; first += kAtOnce) {
    const auto counts = [first](int i) { return kCount % kAtOnce == 0 || first + i < kCount; };
    decltype(fetch(0)) pieces[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (counts(i)) pieces[i] = fetch(first + i);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (counts(i)) put(first + i, pieces[i]);
    }
  }
}

/// A vector of an operand that has been read.
template <int kVector>
struct Values {
  float values[kVector] = {};

  template <class Slice>
  __device__ __forceinline__ void put(Slice&& slice, int row, int column) const {
    store_vector(&slice[row][column], values);
  }
};

/// A vector of an operand that lies in memory; or zeros, where it is not valid.
template <int kVector>
struct Address {
  Ptr<const float> array;
  Index offset;  ///< of the vector in the array, if it is valid
  bool valid;

  /// Starts copying it.
  template <class Slice>
  __device__ __forceinline__ void copy(Slice&& slice, int row, int column) const {
    cp_async<4 * kVector>(&slice[row][column], array + (valid ? offset : 0), valid);
  }
  __device__ __forceinline__ Values<kVector> fetch() const {
    Values<kVector> result;
    if (valid) load_vector(result.values, array + offset);
    return result;
  }
};

/// The operand that is a matrix [depth][lines] in memory, from line `first` on; zeros outside of it. Whole
/// vectors need lines that are a multiple of kVector.
template <class Tile, int kVector, int kTileLines>
__device__ __forceinline__ auto mn_major_operand(Ptr<const float> matrix, int depth, int lines, int first) {
  using Rows = ThreadMap<Tile, kVector, Tile::kDepth, kTileLines>;
  const int line = first + Rows::column();
  return operand<Rows>([=](int k) {
    return [=](int row) {
      return Address<kVector>{matrix, Index{k + row} * lines + line, k + row < depth && line < lines};
    };
  });
}

/// The same of a matrix [lines][depth]; whole vectors need a depth that is a multiple of kVector.
template <class Tile, int kVector, int kTileLines>
__device__ __forceinline__ auto k_major_operand(Ptr<const float> matrix, int depth, int lines, int first) {
  using Rows = ThreadMap<Tile, kVector, kTileLines, Tile::kDepth>;
  return operand<Rows>([=](int k) {
    const int from_k = k + Rows::column();
    return [=](int row) {
      const int line = first + row;
      return Address<kVector>{matrix, Index{line} * depth + from_k, line < lines && from_k < depth};
    };
  });
}

/// Adds the sums of a tile's parts to those of part 0, in order, kCount vectors of a thread at a time: as
/// many as `shares` [kCount][kPartThreads or more][kVector] has room for.
template <class Tile, int kCount, int kVector, class Shares>
__device__ __forceinline__ void add_parts(const typename Tile::Thread& thread, typename Tile::Sums& sums,
                                          Shares&& shares) {
  constexpr int kFours = Tile::kSumFours;
  constexpr int kSums = Tile::kSumRows * kFours * 4;
  constexpr int kAtOnce = kCount * kVector;
  const auto sum = [&](int i) -> float& { return sums[i / 4 / kFours][i / 4 % kFours][i % 4]; };
#pragma unroll 1
  for (int part = 1; part < Tile::kParts; ++part) {
#pragma unroll
    for (int first = 0; first < kSums; first += kAtOnce) {
      const int end = first + kAtOnce < kSums ? first + kAtOnce : kSums;
      if (thread.part == part) {
#pragma unroll
        for (int i = first; i < end; i += kVector) {
          float share[kVector];
#pragma unroll
          for (int v = 0; v < kVector; ++v) share[v] = sum(i + v);
          store_vector<kVector>(&shares[(i - first) / kVector][thread.thread_in_part][0], share);
        }
      }
      __syncthreads();
      if (thread.part == 0) {
#pragma unroll
        for (int i = first; i < end; i += kVector) {
          float share[kVector];
          load_vector<kVector>(share, &shares[(i - first) / kVector][thread.thread_in_part][0]);
#pragma unroll
          for (int v = 0; v < kVector; ++v) sum(i + v) += share[v];
        }
      }
      __syncthreads();
    }
  }
}
template <class Tile>
__device__ __forceinline__ void add_parts(const typename Tile::Thread& thread, typename Tile::Sums& sums) {
  if constexpr (Tile::kParts > 1) {
    constexpr int kCount = Tile::kSumRows * Tile::kSumFours * 4;
    __shared__ Shared<float, kCount, Tile::kPartThreads, 1> shares;
    add_parts<Tile, kCount, 1>(thread, sums, shares);
  }
}

/// Reads four neighbouring channels, or the first `left` of them if they are no whole vector, and zeros.
template <int kVector, class Element>
__device__ __forceinline__ void load_channels(float (&to)[4], Ptr<const Element> from, int left) {
  if constexpr (kVector == 4) {
    load_vector(to, from);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float value[1] = {};
      if (i < left) load_vector(value, from + i);
      to[i] = value[0];
    }
  }
}

/// Writes four neighbouring channels, or the first `left` of them if they are no whole vector.
template <int kVector>
__device__ __forceinline__ void store_channels(Ptr<float> to, const float (&values)[4], int left) {
  if constexpr (kVector == 4) {
    store_vector(to, values);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < left) to[i] = values[i];
    }
  }
}

/// Adds the bias of its column to each of part 0's sums; bias may be null.
template <int kVector, class Tile>
__device__ __forceinline__ void add_biases(const typename Tile::Thread& thread, typename Tile::Sums& sums,
                                           int first_n, int columns, Ptr<const float> bias) {
  if (!bias || thread.part != 0) return;
#pragma unroll
  for (int f = 0; f < Tile::kSumFours; ++f) {
    const int n = first_n + thread.column(f);
    if (n >= columns) continue;
    float biases[4];
    load_channels<kVector>(biases, bias + n, columns - n);
#pragma unroll
    for (int r = 0; r < Tile::kSumRows; ++r) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[r][f][i] += biases[i];
    }
  }
}

/// Writes the tile's sums, four neighbouring columns or the `columns` - n that are left: those of row m to
/// to[offset(m)] and on, nowhere where that is negative. Part 0 has them all.
template <int kVector, class Tile, class Offset>
__device__ __forceinline__ void store_sums(const typename Tile::Thread& thread,
                                           const typename Tile::Sums& sums, int first_n, int columns,
                                           Ptr<float> to, const Offset& offset) {
  if (thread.part != 0) return;
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
    const Index row = offset(thread.row(r));
    if (row < 0) continue;
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      const int n = first_n + thread.column(f);
      if (n < columns) store_channels<kVector>(to + (row + n), sums[r][f], columns - n);
    }
  }
}

/// Split-K: how a product's k is shared among blocks, whose sums are added up afterwards.
struct SplitK {
  int blocks;  ///< that share a tile
  int depth;   ///< of k, for each of them but the last
};

/// The launch grid: tiles of rows in x, of columns in y, `depth` in z.
template <class Tile>
dim3 tiles_of(int rows, int columns, int depth) {
  return dim3(static_cast<unsigned>(ceil_div(rows, Tile::kRows)),
              static_cast<unsigned>(ceil_div(columns, Tile::kColumns)), static_cast<unsigned>(depth));
}

}  // namespace bauta::BAUTA_DEVICE
