#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "kernels/conv2d/conv2d.h"
#include "kernels/cuda/fma_gemm.h"
#include "kernels/cuda/mma_gemm.h"

/// What the CUDA kernels of all convolutions are made of. Each pass is an implicit GEMM: one product of
/// matrices, c[m][n] = Σ_k a[m][k]·b[k][n] (gemm.h), whose a is never stored:
///
///   pass     m                  n   k                     a                       b
///   forward  output position    o   tap and c             x at position + tap     w
///   dgrad    pixel of x         c   tap and o             dy at pixel - tap       w
///   wgrad    tap and c, or one  o   output position       x at position + tap     dy
namespace bauta::BAUTA_DEVICE {

/// Blocks that a multiprocessor is to hold at once, which limits their registers: kMax of 128 threads where
/// vectors are moved, or one less with tiles of many registers. The other kernels would spill, as would some
/// before sm_90.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
template <class Tile, int kVector, int kMax>
inline constexpr int kConvBlocks = 1;
#else
template <class Tile, int kVector, int kMax>
inline constexpr int kConvBlocks = kVector != 4
                                       ? 1
                                       : ceil_div((Tile::kManyRegisters ? kMax - 1 : kMax) * kGemmThreads,
                                                  Tile::kThreads);
#endif

/// Elements of a convolution's arrays.
struct Conv2dSizes {
  Index x, w, y;

  explicit Conv2dSizes(const Conv2dShape& s)
      : x(Index{s.batch} * s.in_h * s.in_w * s.in_channels),
        w(Index{s.kernel} * s.kernel * s.in_channels * s.out_channels),
        y(Index{s.batch} * s.out_h * s.out_w * s.out_channels) {}

  double x_bytes() const { return 4.0 * static_cast<double>(x); }
  double y_bytes() const { return 4.0 * static_cast<double>(y); }
};

// --- Images

/// Quotient and remainder by a divisor that is known before the launch, in [1, 2^31), by a multiplication and
/// a shift.                                                                   (Granlund and Montgomery, 1994)
class FastDivmod {
 public:
  explicit FastDivmod(int divisor) : divisor_(static_cast<unsigned>(divisor)) {
    while (1U << shift_ < divisor_) ++shift_;
    factor_ = static_cast<unsigned>((((std::uint64_t{1} << shift_) - divisor_) << 32) / divisor_ + 1);
  }

  struct Result {
    int quotient, remainder;
  };
  /// n in [0, 2^31).
  __device__ __forceinline__ Result divide(int n) const {
    const auto of = static_cast<unsigned>(n);
    const auto high = static_cast<unsigned>(std::uint64_t{of} * factor_ >> 32);
    const unsigned quotient = (high + of) >> shift_;
    return {static_cast<int>(quotient), static_cast<int>(of - quotient * divisor_)};
  }

 private:
  unsigned divisor_;
  unsigned factor_;
  unsigned shift_ = 0;
};

/// What a position and a tap each add to the place that they meet at in images [N,H,W,C].
struct alignas(16) Place {
  int pixel;
  int i, j;  ///< row and column
  int channel;
};
/// Outside of any image, whatever is added to it.
__device__ __forceinline__ Place nowhere() { return {0, -(1 << 30), 0, 0}; }

__device__ __forceinline__ Place operator+(const Place& a, const Place& b) {
  return {a.pixel + b.pixel, a.i + b.i, a.j + b.j, a.channel + b.channel};
}

__device__ __forceinline__ bool inside(const Place& at, int height, int width) {
  return static_cast<unsigned>(at.i) < static_cast<unsigned>(height) &&
         static_cast<unsigned>(at.j) < static_cast<unsigned>(width);
}

struct Images {
  Ptr<const float> values;
  int height, width, channels;

  __device__ __forceinline__ Place place(int n, int i, int j) const {
    return {(n * height + i) * width + j, i, j, 0};
  }
  /// What leads from one place to another, so many rows, columns and channels away.
  __device__ __forceinline__ Place step(int rows, int columns, int channel) const {
    return {rows * width + columns, rows, columns, channel};
  }
  /// Neighbouring channels of a pixel; outside of the image they are zero.
  template <int kVector>
  __device__ __forceinline__ Address<kVector> vector(const Place& at) const {
    return {values, Index{at.pixel} * channels + at.channel, inside(at, height, width)};
  }
};

/// Numbers the pixels of all samples, [N, height, width] in row-major order.
struct Raster {
  FastDivmod pixels, columns;

  Raster(int height, int width) : pixels(height * width), columns(width) {}

  struct Position {
    int n, i, j;
  };
  __device__ __forceinline__ Position position(int index) const {
    const auto sample = pixels.divide(index);
    const auto row = columns.divide(sample.remainder);
    return {sample.quotient, row.quotient, row.remainder};
  }
};

// --- forward and dgrad

/// The taps of a kernel that apply to all rows of a tile: rows from first_row and columns from first_column
/// on, by `step`; from one to the next, images are walked by `direction`.
struct Taps {
  int first_row, first_column, step, direction;
  int rows, columns;  ///< that apply
  int channels;       ///< of the images
  FastDivmod by_channels;

  __device__ __forceinline__ int depth() const { return rows * columns * channels; }
};

/// The tap and the channel of one k.
struct Tap {
  int row, column, channel;
  bool valid;

  __device__ __forceinline__ Tap(const Taps& taps, int k) {
    const auto [tap, remainder] = taps.by_channels.divide(k);
    // Exact: (tap + 1/2) / columns is never as near to a whole number as this rounds.
    row = static_cast<int>((static_cast<float>(tap) + 0.5F) * (1.0F / static_cast<float>(taps.columns)));
    column = tap - row * taps.columns;
    channel = remainder;
    valid = row < taps.rows;
  }

  /// What leads from the place of a row to where it meets the tap.
  __device__ __forceinline__ Place step(const Taps& taps, const Images& images) const {
    return valid ? images.step(row * taps.direction, column * taps.direction, channel) : nowhere();
  }
};

/// w [K,K,C,O] as the product's b: MN-major in forward, where n are out-channels; K-major in dgrad, where n
/// are in-channels.
template <Major kB, int kVector, class Tile>
__device__ __forceinline__ auto weights_operand(const Conv2dShape& s, const Taps& taps, Ptr<const float> w,
                                                int first_n) {
  if constexpr (kB == Major::mn) {
    return mn_major_operand<Tile, kVector, Tile::kColumns>(w, taps.depth(), s.out_channels, first_n);
  } else {
    using Rows = ThreadMap<Tile, kVector, Tile::kColumns, Tile::kDepth>;
    return operand<Rows>([=](int k) {
      const Tap tap(taps, k + Rows::column());
      const int tap_index =
          (taps.first_row + tap.row * taps.step) * s.kernel + taps.first_column + tap.column * taps.step;
      return [=](int row) {
        const int n = first_n + row;
        return Address<kVector>{w, (Index{tap_index} * s.in_channels + n) * s.out_channels + tap.channel,
                                tap.valid && n < s.in_channels};
      };
    });
  }
}

/// sums = Σ_k a[m][k]·b[k][n] over the taps; origin(m) is the place of the tile's row m, without a tap, and b
/// is w. kVector and kWVector neighbours are moved at once from the images and from w.
template <Major kB, int kVector, int kWVector, class Tile, class Origin>
__device__ __forceinline__ void implicit_gemm(const Conv2dShape& s, const Taps& taps, const Images& images,
                                              Ptr<const float> w, int first_n, const Origin& origin,
                                              const typename Tile::Thread& thread,
                                              typename Tile::Sums& sums) {
  alignas(16) __shared__ typename Tile::template A<Major::k> a_slices;
  alignas(16) __shared__ typename Tile::template B<kB> b_slices;
  alignas(16) __shared__ Shared<Place, Tile::kRows> origins;
  for (int m = thread_in_group(); m < Tile::kRows; m += Tile::kThreads) origins[m] = origin(m);
  __syncthreads();

  using Rows = ThreadMap<Tile, kVector, Tile::kRows, Tile::kDepth>;
  const auto a = operand<Rows>([&](int k) {
    const Place step = Tap(taps, k + Rows::column()).step(taps, images);
    return [&, step](int m) {
      const Place from = origins[m];
      return images.vector<kVector>(from + step);
    };
  });
  const auto b = weights_operand<kB, kWVector, Tile>(s, taps, w, first_n);
  Tile::template multiply<Major::k, kB>(a_slices, b_slices, 0, taps.depth(), a, b, thread, sums);
}

/// sums = a tile of y, part 0's: position(m) is the output position of row m, if its n is a sample.
template <int kVector, int kOutVector, class Tile, class Position>
__device__ __forceinline__ void forward_tile(const Conv2dShape& s, const FastDivmod& by_channels,
                                             Ptr<const float> x, Ptr<const float> w, Ptr<const float> bias,
                                             int first_n, const Position& position,
                                             const typename Tile::Thread& thread, typename Tile::Sums& sums) {
  const Images images{x, s.in_h, s.in_w, s.in_channels};
  const Taps taps{0, 0, 1, 1, s.kernel, s.kernel, s.in_channels, by_channels};
  const auto origin = [&](int m) {
    const auto at = position(m);
    if (at.n >= s.batch) return nowhere();
    return images.place(at.n, at.i * s.stride - s.pad, at.j * s.stride - s.pad);
  };
  implicit_gemm<Major::mn, kVector, kOutVector, Tile>(s, taps, images, w, first_n, origin, thread, sums);
  add_biases<kOutVector, Tile>(thread, sums, first_n, s.out_channels, bias);
}

/// Pixels of x whose rows and columns have the same remainders by the stride are read by the same taps: a
/// phase. blockIdx.z counts those that there are.
struct Phase {
  int row, column;    ///< remainders
  int height, width;  ///< pixels of the phase

  __device__ __forceinline__ explicit Phase(const Conv2dShape& s) {
    const int across = min(s.stride, s.in_w);
    row = static_cast<int>(blockIdx.z) / across;
    column = static_cast<int>(blockIdx.z) % across;
    height = ceil_div(s.in_h - row, s.stride);
    width = ceil_div(s.in_w - column, s.stride);
  }
};

/// The pixels of the phases. Phases differ in height and width by one at most.
class PhaseRasters {
 public:
  explicit PhaseRasters(const Conv2dShape& s)
      : tall_(ceil_div(s.in_h, s.stride)),
        wide_(ceil_div(s.in_w, s.stride)),
        tall_wide_(tall_, wide_),
        tall_narrow_(tall_, std::max(wide_ - 1, 1)),
        low_wide_(std::max(tall_ - 1, 1), wide_),
        low_narrow_(std::max(tall_ - 1, 1), std::max(wide_ - 1, 1)) {}

  __device__ __forceinline__ const Raster& of(const Phase& phase) const {
    const bool tall = phase.height == tall_;
    const bool wide = phase.width == wide_;
    return tall ? (wide ? tall_wide_ : tall_narrow_) : (wide ? low_wide_ : low_narrow_);
  }

 private:
  int tall_, wide_;
  Raster tall_wide_, tall_narrow_, low_wide_, low_narrow_;
};

/// Taps first, first + stride ... of a kernel.
__host__ __device__ constexpr int taps_from(int first, const Conv2dShape& s) {
  return first < s.kernel ? ceil_div(s.kernel - first, s.stride) : 0;
}

/// A tile of dx, of one phase. The gradient dy is read by kDyVector elements at once.
template <int kVector, int kDyVector, class Tile>
__device__ __forceinline__ void dgrad_tile(const Conv2dShape& s, const PhaseRasters& rasters,
                                           const FastDivmod& by_channels, const Images& dy,
                                           Ptr<const float> w, Ptr<float> dx) {
  const Phase phase(s);
  const Raster raster = rasters.of(phase);
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  if (first_m >= s.batch * phase.height * phase.width) return;  // phases differ in size by a row and a column
  const int first_row = (phase.row + s.pad) % s.stride;
  const int first_column = (phase.column + s.pad) % s.stride;
  const Taps taps{
      first_row,      first_column, s.stride, -1, taps_from(first_row, s), taps_from(first_column, s),
      s.out_channels, by_channels};
  const auto pixel = [&](int m) {  // row m's in x
    const auto in_phase = raster.position(m);
    return Raster::Position{in_phase.n, in_phase.i * s.stride + phase.row,
                            in_phase.j * s.stride + phase.column};
  };
  const auto origin = [&](int m) {
    const auto at = pixel(first_m + m);
    if (at.n >= s.batch) return nowhere();
    return dy.place(at.n, (at.i + s.pad) / s.stride, (at.j + s.pad) / s.stride);
  };
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  implicit_gemm<Major::k, kDyVector, kDyVector, Tile>(s, taps, dy, w, first_n, origin, thread, sums);

  store_sums<kVector, Tile>(thread, sums, first_n, s.in_channels, dx, [&](int m) {
    const auto at = pixel(first_m + m);
    if (at.n >= s.batch) return Index{-1};
    return ((Index{at.n} * s.in_h + at.i) * s.in_w + at.j) * s.in_channels;
  });
}

// --- wgrad

/// Rows of wgrad's product: a kernel's taps and channels, and for the bias one whose input is always 1.
__host__ __device__ constexpr int wgrad_rows(const Conv2dShape& s) {
  return s.kernel * s.kernel * s.in_channels + 1;
}

/// A block's share of a tile of dw and dbias, to partial [blocks][rows][O]. `dy` tells the place in x that
/// a row of the slice at k begins to read at, and makes an operand of the gradient. kVector and kDyVector
/// channels are moved at once from x and dy.
template <int kVector, int kDyVector, class Tile, class Gradient>
__device__ __forceinline__ void wgrad_tile(const Conv2dShape& s, const Images& x, const Gradient& dy,
                                           const SplitK& split, Ptr<float> partial) {
  alignas(16) __shared__ typename Tile::template A<Major::mn> a_slices;
  alignas(16) __shared__ typename Tile::template B<Major::mn> b_slices;
  const int first_m = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int begin = static_cast<int>(blockIdx.z) * split.depth;
  const int end = min(begin + split.depth, dy.positions());

  // The bias's row is the same in every slice.
  using Rows = PositionsThreadMap<Tile, kVector, Tile::kDepth, Tile::kRows>;
  const int m = first_m + Rows::column();
  const bool is_bias_row = m == wgrad_rows(s) - 1;
  if (is_bias_row) {
    Values<kVector> ones;
    ones.values[0] = 1;
    for (int i = 0; i < Rows::kCount; ++i) {
      for (int stage = 0; stage < 2; ++stage) ones.put(a_slices[stage], Rows::row(i), Rows::column());
    }
  }
  const int tap = m / s.in_channels;
  const Place step =
      m < wgrad_rows(s) - 1 ? x.step(tap / s.kernel, tap % s.kernel, m % s.in_channels) : nowhere();
  const auto a = operand<Rows>(
      [&](int k) {
        return [&, k](int row) {
          auto vector = x.vector<kVector>(dy.place(x, k, row) + step);
          vector.valid = vector.valid && k + row < end;
          return vector;
        };
      },
      !is_bias_row);
  const auto b = dy.template operand<kDyVector, Tile>(end, first_n);
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  Tile::template multiply<Major::mn, Major::mn>(a_slices, b_slices, begin, end, a, b, thread, sums);

  store_sums<kDyVector, Tile>(thread, sums, first_n, s.out_channels, partial, [&](int row) {
    if (first_m + row >= wgrad_rows(s)) return Index{-1};
    return (Index{static_cast<int>(blockIdx.z)} * wgrad_rows(s) + first_m + row) * s.out_channels;
  });
}

/// The tiles of the passes, by precision and the sizes of a sample alone: the bits of forward's and dgrad's
/// results do not depend on the batch.
struct FmaTiles {
  using Wide = FmaTile<128, 64, 16>;
  using WideDgrad = Wide;
  using FewChannels = FmaTile<256, 32, 16>;
  using FewPositions = FmaTile<64, 32, 32>;
  using Wgrad = FmaTile<64, 64, 16>;
  using WgradFewChannels = FmaTile<32, 32, 64>;
};
/// A small batch has hardly more blocks than there are multiprocessors, where positions are few or, in dgrad,
/// the stride leaves few to a phase: their tiles have 256 threads, so that two warps for each of a
/// multiprocessor's four schedulers wait for less than one.
struct MmaTiles {
  using Wide = MmaTile<128, 64, 32, 64, 32>;
  using WideDgrad = MmaTile<128, 64, 32, 32, 32, 1, 256>;
  using FewChannels = MmaTile<128, 32, 32, 64, 16>;
  using FewPositions = MmaTile<64, 32, 64, 64, 16, 2, 256>;
  using Wgrad = MmaTile<64, 64, 32, 32, 32>;
  using WgradFewChannels = MmaTile<32, 32, 64, 32, 32>;
};

inline constexpr int kFewChannels = 32;
inline constexpr int kFewPositions = 512;  // of a sample

/// Calls body.operator()<Tiles>().
template <class Body>
auto with_tiles(Precision precision, const Body& body) {
  return precision == Precision::bf16 ? body.template operator()<MmaTiles>()
                                      : body.template operator()<FmaTiles>();
}

/// Calls body.operator()<Tile>() with the tile that suits forward or dgrad. Single floats take more registers
/// on their way than the wide tile leaves.
template <Pass kPass, int kOutVector, class Body>
Status with_implicit_gemm_tile(Precision precision, Index positions, int channels, const Body& body) {
  return with_tiles(precision, [&]<class Tiles>() {
    if (positions < kFewPositions) return body.template operator()<typename Tiles::FewPositions>();
    if constexpr (kOutVector == 4) {
      using Wide = std::conditional_t<kPass == Pass::dgrad, typename Tiles::WideDgrad, typename Tiles::Wide>;
      if (channels > kFewChannels) return body.template operator()<Wide>();
    }
    return body.template operator()<typename Tiles::FewChannels>();
  });
}

template <class Body>
auto with_wgrad_tile(Precision precision, const Conv2dShape& s, const Body& body) {
  return with_tiles(precision, [&]<class Tiles>() {
    return s.out_channels <= kFewChannels ? body.template operator()<typename Tiles::WgradFewChannels>()
                                          : body.template operator()<typename Tiles::Wgrad>();
  });
}

/// Calls body.operator()<kVector, kOutVector>(): how many in-channels, and out-channels, to move at once.
template <class Body>
Status with_vectors(const Conv2dShape& s, const Body& body) {
  if (s.out_channels % 4 != 0) return body.template operator()<1, 1>();
  if (s.in_channels % 4 != 0) return body.template operator()<1, 4>();
  return body.template operator()<4, 4>();
}

/// The grid of dgrad: tiles of the largest phase, by phases.
template <class Tile>
dim3 dgrad_grid(const Conv2dShape& s) {
  const int pixels = s.batch * ceil_div(s.in_h, s.stride) * ceil_div(s.in_w, s.stride);
  return tiles_of<Tile>(pixels, s.in_channels, std::min(s.stride, s.in_h) * std::min(s.stride, s.in_w));
}

inline constexpr int kH100Multiprocessors = 132;

template <class Tile>
int wgrad_slices(const Conv2dShape& s) {
  return static_cast<int>(ceil_div<Index>(Index{s.batch} * s.out_h * s.out_w, Tile::kDepth));
}

/// Blocks enough for four on each of an H100's multiprocessors, if there are as many slices: no fewer for a
/// larger batch.
template <class Tile>
int most_wgrad_blocks(const Conv2dShape& s) {
  constexpr int kBlocks = 4 * kH100Multiprocessors;
  const int tiles = ceil_div(wgrad_rows(s), Tile::kRows) * ceil_div(s.out_channels, Tile::kColumns);
  return std::min(wgrad_slices<Tile>(s), ceil_div(kBlocks, tiles));
}

/// The slices shared evenly among so many blocks, or fewer.
template <class Tile>
SplitK wgrad_split(const Conv2dShape& s) {
  const int slices = wgrad_slices<Tile>(s);
  const int slices_each = ceil_div(slices, most_wgrad_blocks<Tile>(s));
  return {ceil_div(slices, slices_each), slices_each * Tile::kDepth};
}

/// Fails unless the pixels of all samples can be counted in an int, as the kernels do.
inline Status check_pixels(const char* op, const Conv2dShape& s) {
  // Tiles, and the last block's share of wgrad, reach beyond the last position: by less than 2^16.
  constexpr int kMost = std::numeric_limits<int>::max() - (1 << 16);
  const Index most = std::max(Index{s.in_h} * s.in_w, Index{s.out_h} * s.out_w);
  if (most <= kMost / s.batch) return {};
  return Status::error(
      std::string(op) + ": a batch of " + std::to_string(s.batch) + " has more than 2^31 pixels", {},
      "the CUDA kernels take smaller batches");
}

}  // namespace bauta::BAUTA_DEVICE
