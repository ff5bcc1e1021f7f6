#include "kernels/conv2d/conv2d_work.h"
#include "kernels/conv_relu_pool/conv_relu_pool_patches.h"
#include "kernels/conv_relu_pool/conv_relu_pool_window.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// A patch has 4x8 windows. Row m of its product is a position of window m / 64 * 16 + m % 16; the second four
// of each eight begin with another corner than the first, so that the eight rows of an ldmatrix lie in
// different banks.
constexpr int kPatchWindowColumns = kPatchColumns / 2;
constexpr int kPatchWindows = kPatchRows / 2 * kPatchWindowColumns;

__device__ __forceinline__ Raster::Position window_in_patch(int m) {
  const int window = m / 64 * 16 + m % 16;
  return {0, window / kPatchWindowColumns, window % kPatchWindowColumns};
}
__device__ __forceinline__ bool corners_swapped(int m) { return m % 8 >= 4; }
__device__ __forceinline__ Raster::Position position_by_window(int m) {
  const auto window = window_in_patch(m);
  const int corner = m % 64 / 16 ^ static_cast<int>(corners_swapped(m));
  return {0, 2 * window.i + corner / 2, 2 * window.j + corner % 2};
}

// The sums of a window: of each of its two rows, its columns, the other way round if they are swapped.
struct Corners {
  float sums[4];
  bool swapped;

  __device__ __forceinline__ float at(int row, int column) const {
    return swapped ? sums[2 * row + 1 - column] : sums[2 * row + column];
  }
  // `position` becomes that of the first that is largest; of a NaN, any.
  __device__ __forceinline__ float largest(unsigned& position) const {
    const float upper = max_or_nan(sums[0], sums[1]);
    const float result = max_or_nan(upper, max_or_nan(sums[2], sums[3]));
    const bool in_upper = upper == result;
    const float left = in_upper ? at(0, 0) : at(1, 0);
    position = (in_upper ? 0U : 2U) + (left == result ? 0U : 1U);
    return result;
  }
  __device__ __forceinline__ unsigned first_nan() const {
    float nan;
    return winner({at(0, 0), at(0, 1), at(1, 0), at(1, 1)}, nan);
  }
};

// Pools sums in mma's layout, whose rows r to r + 3 are the four corners of windows. values: the pooled ones,
// laid out like one row. Returns their winners, two bits for each value, eight for each four.
template <class Tile>
__device__ __forceinline__ unsigned pool(const typename Tile::Sums& sums, int r, bool swapped,
                                         float (&values)[Tile::kSumFours][4]) {
  static_assert(Tile::kSumFours <= 4);
  const auto corners = [&](int f, int i) {
    return Corners{{sums[r][f][i], sums[r + 1][f][i], sums[r + 2][f][i], sums[r + 3][f][i]}, swapped};
  };
  unsigned winners = 0;
  bool any_nan = false;
#pragma unroll
  for (int i = 0; i < 4 * Tile::kSumFours; ++i) {
    unsigned position;
    const float largest = corners(i / 4, i % 4).largest(position);
    winners |= position << (2 * i);
    any_nan = any_nan || largest != largest;
    values[i / 4][i % 4] = largest <= 0 ? 0 : largest;
  }
  if (any_nan) {
#pragma unroll
    for (int i = 0; i < 4 * Tile::kSumFours; ++i) {
      if (values[i / 4][i % 4] == values[i / 4][i % 4]) continue;
      winners = (winners & ~(3U << (2 * i))) | corners(i / 4, i % 4).first_nan() << (2 * i);
    }
  }
  return winners;
}

// Writes a patch's windows to y and argmax, which may be null: of each, four neighbouring channels and a
// byte. window(row) is that of a row of the tile, negative where there is none.
template <class Tile, class Window>
__device__ __forceinline__ void pool_patch(const typename Tile::Thread& thread,
                                           const typename Tile::Sums& sums, int first_n, int out_channels,
                                           Ptr<float> y, Ptr<std::uint8_t> argmax, const Window& window) {
  constexpr unsigned kHalves = 0x0F0F0F0F;  // of a byte, those of the two columns that a sum of mma has
  const bool swapped = corners_swapped(thread.lane / 4);
  const bool odd = thread.lane % 2 == 1;
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; r += 4) {
    float values[Tile::kSumFours][4];
    unsigned winners = pool<Tile>(sums, r, swapped, values);
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) exchange_halves(thread.lane, values[f]);
    const unsigned others = __shfl_xor_sync(~0U, winners, 1);
    winners =
        odd ? (others >> 4 & kHalves) | (winners & ~kHalves) : (winners & kHalves) | (others & kHalves) << 4;
    const int to = window(thread.row(r));
    if (to < 0) continue;
    const int o = first_n + thread.column(0);
    const Ptr<float> y_of_o = y + (mul_wide(to, out_channels) + o);
    const Ptr<std::uint8_t> argmax_of_o = argmax + (mul_wide(to, out_channels / 4) + o / 4);
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      if (o + 8 * f >= out_channels) continue;
      store_vector(y_of_o + 8 * f, values[f]);
      if (argmax) argmax_of_o[2 * f] = static_cast<std::uint8_t>(winners >> 8 * f);
    }
  }
}

/// forward. The study's first and second layer, batch 32: 0.75 (of 3 channels and 9 taps, 8 and 10 are
/// multiplied) and 1.4 G products; 21 and 29 MB of sectors moved, of which x, read 1.4 times, is 8 and 13,
/// and w, by each of 528 and 132 blocks, 2 and 10; argmax is written in halves of sectors and less. The first
/// is bound by memory and the issue of instructions, the second by the tensor cores and shared memory, from
/// where 24 cycles' worth of fragments feed 16 mma.
template <int kChannels, class Tile, int kGroups>
__global__ void __launch_bounds__(kGroups* kGemmThreads, kPatchBlocks<kChannels, Tile, kGroups>)
    forward_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> w,
                           Global<const float> bias, Global<float> y, Global<std::uint8_t> argmax) {
  const Images images{x, s.in_h, s.in_w, s.in_channels};
  const PatchReader<kChannels, Tile, kGroups> reader(images, patches,
                                                     ForwardPatchMemory<kChannels, Tile, kGroups>::reader());
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  for_each_patch<Major::mn, kChannels, Tile, kGroups>(
      s, patches, s.pad, w, bias, reader, [](int m) { return position_by_window(m); },
      [&](const Raster::Position& first, const typename Tile::Thread& thread,
          const typename Tile::Sums& sums) {
        pool_patch<Tile>(thread, sums, first_n, s.out_channels, y, argmax, [&](int row) {
          const auto at = window_in_patch(row);
          const int p = first.i / 2 + at.i;
          const int q = first.j / 2 + at.j;
          return p < s.out_h / 2 && q < s.out_w / 2 ? (first.n * (s.out_h / 2) + p) * (s.out_w / 2) + q : -1;
        });
      });
}

// A thread's prefetched windows of four channels, until fill() puts them into place: slots like
// StagingBuffer's, and registers for the winners, bytes, which cp.async does not copy.
template <class Tile, int kCount>
class StagedWindows {
  using Slots = StagingBuffer<Tile, 4, 2 * kCount>;

 public:
  static constexpr std::size_t kBytes = 2 * kCount * Tile::kThreads * 4 * sizeof(float);

  // Uses kBytes of dynamic shared memory from `offset` on.
  __device__ __forceinline__ explicit StagedWindows(std::size_t offset) : offset_(offset) {}

  // Those of sample n's window at row p and column q from channel o on, zeros where it does not exist.
  __device__ __forceinline__ void prefetch(int i, const PooledValues& values, int n, int p, int q, int o,
                                           bool exists) {
    auto&& slots = dynamic_shared<Slots>(offset_);
    const bool valid = exists && values.inside(p, q);
    const int window = (n * values.height + p) * values.width + q;
    const Index at = mul_wide(window, values.channels) + o;
    Address<4>{values.dy, at, valid}.copy(slots[2 * i], thread_in_group(), 0);
    Address<4>{values.y, at, valid}.copy(slots[2 * i + 1], thread_in_group(), 0);
    winners_[i] = 0;
    if (valid) winners_[i] = values.argmax[mul_wide(window, values.channels / 4) + o / 4];
  }
  __device__ __forceinline__ WindowValues<4> staged(int i) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
    WindowValues<4> result;
    load_vector<4>(result.gradients, &slots[2 * i][thread_in_group()][0]);
    load_vector<4>(result.values, &slots[2 * i + 1][thread_in_group()][0]);
    result.winners = winners_[i];
    return result;
  }

 private:
  std::size_t offset_;
  unsigned winners_[kCount];
};

// A thread's windows, and four channels of each, of those that a halo tile meets: of the first eight columns,
// row by row, and then of the two that are left.
template <int kChannels, class Tile>
class HaloWindowThreadMap {
  // One more than half of a halo tile's rows, as it may begin with a window's second.
  static constexpr int kRows = kHaloRows / 2 + 1;
  static constexpr int kColumns = 8;
  static constexpr int kLeft = kHaloColumns / 2 + 1 - kColumns;
  static constexpr int kLanes = kChannels / 4;
  static constexpr int kAtOnce = Tile::kThreads / kLanes;
  static constexpr int kOfFirst = kRows * kColumns / kAtOnce;
  static constexpr int kOfLeft = ceil_div(kRows * kLeft, kAtOnce);
  static_assert(kRows * kColumns % kAtOnce == 0);

 public:
  static constexpr int kCount = kOfFirst + kOfLeft;

  // In the grid of windows; n is negative where there is none.
  __device__ __forceinline__ static Raster::Position window(const Raster::Position& from, int i) {
    // A group has kThreads: the remainder changes nothing, but tells nvcc so, which saves instructions.
    const int of_block = thread_in_group() % Tile::kThreads / kLanes;
    int row, column;
    if (i < kOfFirst) {
      row = (i * kAtOnce + of_block) / kColumns;
      column = (i * kAtOnce + of_block) % kColumns;
    } else {
      row = ((i - kOfFirst) * kAtOnce + of_block) / kLeft;
      column = kColumns + ((i - kOfFirst) * kAtOnce + of_block) % kLeft;
    }
    return {row < kRows ? from.n : -1, (from.i >> 1) + row, (from.j >> 1) + column};
  }
  __device__ __forceinline__ static int channel() { return thread_in_group() % kLanes * 4; }

  // Expands the i-th window to its positions in the halo tile.
  __device__ __forceinline__ static void put(typename HaloTile<kChannels>::Array& halo,
                                             const Raster::Position& from, int i,
                                             const WindowValues<4>& values) {
    constexpr int kPitch = HaloTile<kChannels>::kPitch;
    const auto at = window(from, i);
    const RoundedWindow rounded(values);
    const int top = 2 * at.i - from.i;
    const int left = 2 * at.j - from.j;
    const Ptr<bf16> to = &halo[(top * kHaloColumns + left) * kPitch + channel()];
#pragma unroll
    for (int corner = 0; corner < 4; ++corner) {
      const int row = corner / 2;
      const int column = corner % 2;
      if (top + row < 0 || top + row >= kHaloRows || left + column < 0 || left + column >= kHaloColumns)
        continue;
      store(to + (row * kHaloColumns + column) * kPitch, rounded.at(corner));
    }
  }
};

// Brings halo tiles of gradients, each window's expanded to its four positions, as HaloReader does.
template <int kChannels, class Tile>
class GradientHaloReader {
  using Mine = HaloWindowThreadMap<kChannels, Tile>;

 public:
  static constexpr std::size_t kBytes = StagedWindows<Tile, Mine::kCount>::kBytes;

  __device__ __forceinline__ GradientHaloReader(const PooledValues& gradient, std::size_t offset)
      : gradient_(gradient), windows_(offset) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& from) {
    from_ = from;
#pragma unroll
    for (int i = 0; i < Mine::kCount; ++i) {
      const auto at = Mine::window(from, i);
      windows_.prefetch(i, gradient_, at.n, at.i, at.j, Mine::channel(), at.n >= 0);
    }
    cp_async_commit();
  }
  __device__ __forceinline__ void fill(typename HaloTile<kChannels>::Array& halo) const {
    cp_async_wait<0>();
    // All at once: winners are in registers, which have no index.
    move_pieces<Mine::kCount, Mine::kCount>(
        [&](int i) { return windows_.staged(i); },
        [&](int i, const WindowValues<4>& values) { Mine::put(halo, from_, i, values); });
  }

 private:
  PooledValues gradient_;
  StagedWindows<Tile, Mine::kCount> windows_;
  Raster::Position from_;
};

// The same, as OnDemandHaloReader does.
template <int kChannels, class Tile>
class OnDemandGradientHaloReader {
  using Mine = HaloWindowThreadMap<kChannels, Tile>;
  static constexpr int kWindowsAtOnce = 8;

 public:
  static constexpr std::size_t kBytes = 0;

  __device__ __forceinline__ OnDemandGradientHaloReader(const PooledValues& gradient, std::size_t)
      : gradient_(gradient) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& from) { from_ = from; }
  __device__ __forceinline__ void fill(typename HaloTile<kChannels>::Array& halo) const {
    const auto fetch = [&](int i) {
      const auto at = Mine::window(from_, i);
      return at.n >= 0 ? gradient_.read_at<4>(at.n, at.i, at.j, Mine::channel()) : WindowValues<4>();
    };
    const auto put = [&](int i, const WindowValues<4>& values) { Mine::put(halo, from_, i, values); };
    move_pieces<Mine::kCount, kWindowsAtOnce>(fetch, put);
  }

 private:
  PooledValues gradient_;
  Raster::Position from_;
};

template <int kChannels, class Tile, int kGroups>
using DgradReader = std::conditional_t<(kGroups > 1), GradientHaloReader<kChannels, Tile>,
                                       OnDemandGradientHaloReader<kChannels, Tile>>;
template <int kChannels, class Tile, int kGroups>
using DgradMemory = PatchMemory<Major::k, kChannels, Tile, DgradReader<kChannels, Tile, kGroups>, kGroups>;

/// dgrad, in one go: a halo tile's gradients are expanded on their way to shared memory. The study's second
/// layer, batch 32: 1.4 G products; 34 MB of sectors moved, of which dy, y and argmax, read twice, are 16, w
/// 10, and dx 9. Bound by shared memory and the tensor cores, about alike.
template <int kChannels, class Tile, int kGroups>
__global__ void __launch_bounds__(kGroups* kGemmThreads, kPatchBlocks<kChannels, Tile, kGroups>)
    dgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> dy, Global<const float> y,
                         Global<const std::uint8_t> argmax, Global<const float> w, Global<float> dx) {
  const PooledValues gradient{dy, y, argmax, s.out_channels, s.out_h / 2, s.out_w / 2};
  const DgradReader<kChannels, Tile, kGroups> reader(gradient,
                                                     DgradMemory<kChannels, Tile, kGroups>::reader());
  dgrad_patches<kChannels, Tile, kGroups>(s, patches, w, dx, reader);
}

// Brings a patch's gradients, each window's expanded to its four positions; reads from prefetch() on.
template <class Tile>
class GradientReader {
  using ThreadMap = GradientThreadMap<Tile>;
  static constexpr int kWindows = kPatchWindows / ThreadMap::kStep;  // of a thread

 public:
  static constexpr std::size_t kBytes = StagedWindows<Tile, kWindows>::kBytes;

  // Uses kBytes of dynamic shared memory from `offset` on.
  __device__ __forceinline__ GradientReader(const PooledValues& gradient, std::size_t offset)
      : gradient_(gradient), windows_(offset) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& first) {
    const int o = static_cast<int>(blockIdx.y) * Tile::kColumns + ThreadMap::column();
#pragma unroll
    for (int i = 0; i < kWindows; ++i) {
      const int p = first.i / 2 + ThreadMap::row(i) / kPatchWindowColumns;
      const int q = first.j / 2 + ThreadMap::row(i) % kPatchWindowColumns;
      windows_.prefetch(i, gradient_, first.n, p, q, o, o < gradient_.channels);
    }
    cp_async_commit();
  }
  __device__ __forceinline__ void fill(GradientPatch<Tile>& gradients, ThreadMap& map) const {
    cp_async_wait<0>();
    const auto put = [&](int i, const WindowValues<4>& values) {
      const RoundedWindow rounded(values);
      map.add(rounded.gradients());
      const int row = ThreadMap::row(i) / kPatchWindowColumns * 2;
      const int column = ThreadMap::row(i) % kPatchWindowColumns * 2;
#pragma unroll
      for (int corner = 0; corner < 4; ++corner) {
        store(&gradients[(row + corner / 2) * kPatchColumns + column + corner % 2][map.column()],
              rounded.at(corner));
      }
    };
    move_pieces<kWindows, kWindows>([&](int i) { return windows_.staged(i); }, put);
  }

 private:
  PooledValues gradient_;
  StagedWindows<Tile, kWindows> windows_;
};

/// wgrad: each window's gradient is read once and expanded to its four positions. The study's first and
/// second layer, batch 32: 0.75 and 1.4 G products; 27 and 31 MB of sectors moved, of which partial sums
/// are 1.9 and 9.8. The first is bound by memory; the second by the tensor cores: it has one block on a
/// multiprocessor, as with two the partial sums would be twice as many. Where there are 32 columns, half a
/// warp writes two windows, some of them to the same banks (1.12 ways in all).
template <int kChannels, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    wgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> dy,
                         Global<const float> y, Global<const std::uint8_t> argmax, Global<float> partial) {
  const PooledValues gradient{dy, y, argmax, s.out_channels, s.out_h / 2, s.out_w / 2};
  const GradientReader<Tile> gradients(gradient, WgradPatchMemory<kChannels, Tile>::kBytes);
  wgrad_patches<kChannels, Tile>(s, patches, Images{x, s.in_h, s.in_w, s.in_channels}, partial, gradients);
}

// Bytes of dy, y and argmax in the halo tiles of all patches.
double gradient_bytes_of_halo_tiles(const ConvReluPoolShape& shape) {
  const auto windows = [](int in, int patch, int margin, int pooled) {
    int count = 0;
    for (int first = 0; first < in; first += patch) {
      const int from = (first - margin) >> 1;
      count += std::max(0, std::min(from + (patch + kPatchKernel - 1) / 2 + 1, pooled) - std::max(from, 0));
    }
    return count;
  };
  const int margin = dgrad_margin(shape.pad);
  return double{1} * shape.batch * windows(shape.in_h, kPatchRows, margin, shape.out_h) *
         windows(shape.in_w, kPatchColumns, margin, shape.out_w) *
         (8 * shape.out_channels + shape.argmax_stride());
}

// A warp writes two bytes of each of a row of windows at once.
double argmax_moved_by_patches(const ConvReluPoolShape& shape) {
  const double rows = double{1} * shape.batch * shape.out_h * shape.out_w / kPatchWindowColumns;
  const int stride = shape.argmax_stride();
  const double sectors_of_row =
      stride < 32 ? 1 + ((kPatchWindowColumns - 1) * stride + 1) / 32.0 : kPatchWindowColumns;
  return 32 * rows * sectors_of_row * ceil_div(shape.out_channels, 8);
}

}  // namespace

Status conv_relu_pool_forward_by_patches(const Context& context, const ConvReluPoolShape& shape,
                                         const float* x, const float* w, const float* bias, float* y,
                                         std::uint8_t* argmax) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  const Patches patches(s.batch, s.out_h, s.out_w, s.in_channels);
  const double written = sizes.y_bytes() + sizes.argmax_bytes();
  const double moved = sizes.y_bytes() + argmax_moved_by_patches(shape);
  return with_forward_patch_tile(s, [&]<int kChannels, class Tile, int kGroups>() {
    return launch(context,
                  {"conv_relu_pool_forward", patch_grid<kChannels, Tile, kGroups>(patches, s.out_channels),
                   dim3(kGemmThreads, kGroups), ForwardPatchMemory<kChannels, Tile, kGroups>::kBytes,
                   patches_forward_work<kChannels, Tile, kGroups>(s, patches, written, moved)},
                  forward_patches_kernel<kChannels, Tile, kGroups>, s, patches, global(x, sizes.x),
                  global(w, sizes.w), global(bias, s.out_channels), global(y, sizes.y),
                  global(argmax, sizes.argmax));
  });
}

Status conv_relu_pool_dgrad_by_patches(const Context& context, const ConvReluPoolShape& shape,
                                       const float* dy, const float* y, const std::uint8_t* argmax,
                                       const float* w, float* dx) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  const Patches patches(s.batch, s.in_h, s.in_w, s.out_channels);
  const double x_bytes = Conv2dSizes(s).x_bytes();
  return with_dgrad_patch_tile<DgradReader>(s, [&]<int kChannels, class Tile, int kGroups>() {
    return launch(
        context,
        {"conv_relu_pool_dgrad", patch_grid<kChannels, Tile, kGroups>(patches, s.in_channels),
         dim3(kGemmThreads, kGroups), DgradMemory<kChannels, Tile, kGroups>::kBytes,
         patches_work<kChannels, Tile, kGroups>(s, patches, s.in_channels, sizes.gradient_bytes(),
                                                gradient_bytes_of_halo_tiles(shape), x_bytes, x_bytes)},
        dgrad_patches_kernel<kChannels, Tile, kGroups>, s, patches, global(dy, sizes.y), global(y, sizes.y),
        global(argmax, sizes.argmax), global(w, sizes.w), global(dx, sizes.x));
  });
}

Status conv_relu_pool_wgrad_by_patches(const Context& context, const ConvReluPoolShape& shape, const float* x,
                                       const float* dy, const float* y, const std::uint8_t* argmax,
                                       float* partial) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  const Patches patches(s.batch, s.out_h, s.out_w, s.in_channels);
  return with_wgrad_patch_tile(s, [&]<int kChannels, class Tile>() {
    const dim3 grid(static_cast<unsigned>(wgrad_patch_blocks(s, patches)),
                    static_cast<unsigned>(ceil_div(s.out_channels, Tile::kColumns)));
    return launch(context,
                  {"conv_relu_pool_wgrad", grid, Tile::kThreads,
                   WgradPatchMemory<kChannels, Tile>::kBytes + GradientReader<Tile>::kBytes,
                   patches_wgrad_work<Tile>(s, patches, sizes.gradient_bytes(), sizes.gradient_bytes())},
                  wgrad_patches_kernel<kChannels, Tile>, s, patches, global(x, sizes.x), global(dy, sizes.y),
                  global(y, sizes.y), global(argmax, sizes.argmax),
                  global(partial, partial_sums(context.precision, s)));
  });
}

}  // namespace bauta::BAUTA_DEVICE
