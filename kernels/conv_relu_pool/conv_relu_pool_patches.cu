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

__device__ __forceinline__ Grid::Position window_in_patch(int m) {
  const int window = m / 64 * 16 + m % 16;
  return {0, window / kPatchWindowColumns, window % kPatchWindowColumns};
}
__device__ __forceinline__ bool corners_swapped(int m) { return m % 8 >= 4; }
__device__ __forceinline__ Grid::Position position_by_window(int m) {
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

// Pools sums as mma has them, rows r to r + 3 of which are windows': values become as those of one row are,
// and of what is returned eight bits for each four of them are where their windows are largest.
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
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; ++f) {
      const int o = first_n + thread.column(f);
      if (o >= out_channels) continue;
      store_vector(y + (Index{to} * out_channels + o), values[f]);
      if (argmax)
        argmax[Index{to} * (out_channels / 4) + o / 4] = static_cast<std::uint8_t>(winners >> 8 * f);
    }
  }
}

/// forward. The study's first and second layer, batch 32: 0.72 (of 3 channels and 9 taps, 8 and 10 are
/// multiplied) and 1.2 G products; 21 and 48 MB of sectors moved, of which x, read 1.4 times, is 8 and 13,
/// and w, by each of 528 and 396 blocks, 2 and 29; argmax is written in halves of sectors and less. The first
/// is bound by memory and latency, the second by shared memory, from where 24 cycles' worth of fragments feed
/// 16 mma.
template <int kChannels, class Tile>
__global__ void __launch_bounds__(kProductThreads, kPatchBlocks<kChannels, Tile>)
    forward_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> w,
                           Global<const float> bias, Global<float> y, Global<std::uint8_t> argmax) {
  const Images images{x, s.in_h, s.in_w, s.in_channels};
  const PatchReader<kChannels, Tile> reader(images, patches, kPatchBytes<Lying::across_k, kChannels, Tile>);
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  for_each_patch<Lying::across_k, kChannels, Tile>(
      s, patches, s.pad, w, reader,
      [&](const typename Tile::Thread& thread, typename Tile::Sums& sums) {
        begin_with_biases<Tile>(thread, first_n, s.out_channels, bias, sums);
      },
      [](int m) { return position_by_window(m); },
      [&](const Grid::Position& first, const typename Tile::Thread& thread, const typename Tile::Sums& sums) {
        pool_patch<Tile>(thread, sums, first_n, s.out_channels, y, argmax, [&](int row) {
          const auto at = window_in_patch(row);
          const int p = first.i / 2 + at.i;
          const int q = first.j / 2 + at.j;
          return p < s.out_h / 2 && q < s.out_w / 2 ? (first.n * (s.out_h / 2) + p) * (s.out_w / 2) + q : -1;
        });
      });
}

// The windows that a region meets: one more than half of its rows, as it may begin with a window's second.
constexpr int kRegionWindowRows = kRegionRows / 2 + 1;
constexpr int kRegionWindowColumns = kRegionColumns / 2 + 1;

// Of a thread, at most, that are on their way to shared memory at a time.
constexpr int kWindowsAtOnce = 8;

// Brings regions of gradients, each window's expanded to its four positions. Reads in take(): the windows of
// the first eight columns, row by row, and then of the two that are left.
template <int kChannels, class Tile>
class LateGradientRegionReader {
 public:
  __device__ __forceinline__ explicit LateGradientRegionReader(const PooledValues& gradient)
      : gradient_(gradient) {}

  __device__ __forceinline__ void ask(const Grid::Position& from) { from_ = from; }
  __device__ __forceinline__ void take(typename Region<kChannels>::Array& region) const {
    const int o = thread_of_block() % kLanes * 4;
    const int first_row = from_.i >> 1;
    const int first_column = from_.j >> 1;
    const auto fetch = [&](int i) {
      const Window at = window(i);
      return at.row < kRegionWindowRows
                 ? gradient_.read_at<4>(from_.n, first_row + at.row, first_column + at.column, o)
                 : WindowValues<4>();
    };
    const auto put = [&](int i, const WindowValues<4>& values) {
      const Window at = window(i);
      const RoundedWindow rounded(values);
      const int top = 2 * (first_row + at.row) - from_.i;
      const int left = 2 * (first_column + at.column) - from_.j;
      const Ptr<bf16> to = &region[(top * kRegionColumns + left) * Region<kChannels>::kPitch + o];
#pragma unroll
      for (int corner = 0; corner < 4; ++corner) {
        const int row = corner / 2;
        const int column = corner % 2;
        if (top + row < 0 || top + row >= kRegionRows || left + column < 0 || left + column >= kRegionColumns)
          continue;
        store(to + (row * kRegionColumns + column) * Region<kChannels>::kPitch, rounded.at(corner));
      }
    };
    move_pieces<kOfFirst + kOfLeft, kWindowsAtOnce>(fetch, put);
  }

 private:
  static constexpr int kLanes = kChannels / 4;
  static constexpr int kAtOnce = Tile::kThreads / kLanes;  // windows
  static constexpr int kColumns = 8;
  static constexpr int kLeft = kRegionWindowColumns - kColumns;
  static constexpr int kOfFirst = kRegionWindowRows * kColumns / kAtOnce;
  static constexpr int kOfLeft = ceil_div(kRegionWindowRows * kLeft, kAtOnce);
  static_assert(kRegionWindowRows * kColumns % kAtOnce == 0);

  struct Window {
    int row, column;
  };
  __device__ __forceinline__ static Window window(int i) {
    const int of_block = thread_of_block() % Tile::kThreads / kLanes;
    if (i < kOfFirst) {
      const int first = i * kAtOnce + of_block;
      return {first / kColumns, first % kColumns};
    }
    const int left = (i - kOfFirst) * kAtOnce + of_block;
    return {left / kLeft, kColumns + left % kLeft};
  }

  PooledValues gradient_;
  Grid::Position from_;
};

/// dgrad, in one go: a region's gradients are expanded on their way to shared memory. The study's second
/// layer, batch 32: 1.3 G products; 54 MB of sectors moved, of which dy, y and argmax, read twice, are 16, w
/// 29, and dx 9. Bound by shared memory and the tensor cores, about alike.
template <int kChannels, class Tile>
__global__ void __launch_bounds__(kProductThreads, kPatchBlocks<kChannels, Tile>)
    dgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> dy, Global<const float> y,
                         Global<const std::uint8_t> argmax, Global<const float> w, Global<float> dx) {
  const PooledValues gradient{dy, y, argmax, s.out_channels, s.out_h / 2, s.out_w / 2};
  dgrad_patches<kChannels, Tile>(s, patches, w, dx, LateGradientRegionReader<kChannels, Tile>(gradient));
}

// Reads a patch's gradients from ask() on, like RegionReader; take() expands each window's to its four
// positions.
template <class Tile>
class GradientReader {
  using Turn = GradientTurn<Tile>;
  static constexpr int kWindows = kPatchWindows / Turn::kStep;  // of a thread
  using Slots = Arrivals<Tile, 4, 2 * kWindows>;

 public:
  static constexpr std::size_t kBytes = 2 * kWindows * Tile::kThreads * 4 * sizeof(float);

  // Uses kBytes of dynamic shared memory from `offset` on.
  __device__ __forceinline__ GradientReader(const PooledValues& gradient, std::size_t offset)
      : gradient_(gradient), offset_(offset) {}

  __device__ __forceinline__ void ask(const Grid::Position& first) {
    auto&& slots = dynamic_shared<Slots>(offset_);
    const int o = static_cast<int>(blockIdx.y) * Tile::kColumns + Turn::column();
#pragma unroll
    for (int i = 0; i < kWindows; ++i) {
      const int p = first.i / 2 + Turn::row(i) / kPatchWindowColumns;
      const int q = first.j / 2 + Turn::row(i) % kPatchWindowColumns;
      const bool valid = p < gradient_.height && q < gradient_.width && o < gradient_.channels;
      const int window = (first.n * gradient_.height + p) * gradient_.width + q;
      const Index at = wide_product(window, gradient_.channels) + o;
      Address<4>{gradient_.dy, at, valid}.copy(slots[2 * i], thread_of_block(), 0);
      Address<4>{gradient_.y, at, valid}.copy(slots[2 * i + 1], thread_of_block(), 0);
      winners_[i] = 0;
      if (valid) winners_[i] = gradient_.argmax[wide_product(window, gradient_.channels / 4) + o / 4];
    }
    cp_async_commit();
  }
  __device__ __forceinline__ void take(GradientPatch<Tile>& gradients, Turn& turn) const {
    auto&& slots = dynamic_shared<Slots>(offset_);
    cp_async_wait<0>();
#pragma unroll
    for (int i = 0; i < kWindows; ++i) {
      WindowValues<4> window;
      load_vector<4>(window.gradients, &slots[2 * i][thread_of_block()][0]);
      load_vector<4>(window.values, &slots[2 * i + 1][thread_of_block()][0]);
      window.winners = winners_[i];
      const RoundedWindow rounded(window);
      turn.add(rounded.gradients());
      const int row = Turn::row(i) / kPatchWindowColumns * 2;
      const int column = Turn::row(i) % kPatchWindowColumns * 2;
#pragma unroll
      for (int corner = 0; corner < 4; ++corner) {
        store(&gradients[(row + corner / 2) * kPatchColumns + column + corner % 2][turn.column()],
              rounded.at(corner));
      }
    }
  }

 private:
  PooledValues gradient_;
  std::size_t offset_;
  unsigned winners_[kWindows];
};

/// wgrad: each window's gradient is read once and expanded to its four positions. The study's first and
/// second layer, batch 32: 0.72 and 1.3 G products; 27 and 31 MB of sectors moved, of which partial sums
/// are 1.9 and 9.8. The first is bound by memory; the second by the tensor cores, and by the latency of what
/// is read between two patches: it has one block on a multiprocessor, as with two the partial sums would be
/// twice as many. Where there are 32 columns, half a warp writes two windows, some of them to the same banks
/// (1.15 ways in all).
template <int kChannels, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    wgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> dy,
                         Global<const float> y, Global<const std::uint8_t> argmax, Global<float> partial) {
  const PooledValues gradient{dy, y, argmax, s.out_channels, s.out_h / 2, s.out_w / 2};
  const GradientReader<Tile> gradients(gradient, WgradPatchMemory<kChannels, Tile>::kBytes);
  wgrad_patches<kChannels, Tile>(s, patches, Images{x, s.in_h, s.in_w, s.in_channels}, partial, gradients);
}

// Bytes of dy, y and argmax in the regions of all patches.
double gradient_bytes_of_regions(const ConvReluPoolShape& shape) {
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
  return with_forward_patch_tile(s, [&]<int kChannels, class Tile>() {
    const double written = sizes.y_bytes() + sizes.argmax_bytes();
    return launch(
        context,
        {"conv_relu_pool_forward", patch_grid<kChannels, Tile>(patches, s.out_channels), kProductThreads,
         kPatchBytes<Lying::across_k, kChannels, Tile> + PatchReader<kChannels, Tile>::kBytes,
         patches_forward_work<kChannels, Tile>(s, patches, written,
                                               sizes.y_bytes() + argmax_moved_by_patches(shape))},
        forward_patches_kernel<kChannels, Tile>, s, patches, global(x, sizes.x), global(w, sizes.w),
        global(bias, s.out_channels), global(y, sizes.y), global(argmax, sizes.argmax));
  });
}

Status conv_relu_pool_dgrad_by_patches(const Context& context, const ConvReluPoolShape& shape,
                                       const float* dy, const float* y, const std::uint8_t* argmax,
                                       const float* w, float* dx) {
  const Conv2dShape s = convolution(shape);
  const PooledSizes sizes(shape);
  const Patches patches(s.batch, s.in_h, s.in_w, s.out_channels);
  const double dx_bytes = 4 * static_cast<double>(sizes.x);
  return with_dgrad_patch_tile(s, [&]<int kChannels, class Tile>() {
    return launch(context,
                  {"conv_relu_pool_dgrad", patch_grid<kChannels, Tile>(patches, s.in_channels),
                   kProductThreads, kPatchBytes<Lying::along_k, kChannels, Tile>,
                   patches_work<kChannels, Tile>(s, patches, s.in_channels, sizes.gradient_bytes(),
                                                 gradient_bytes_of_regions(shape), dx_bytes, dx_bytes)},
                  dgrad_patches_kernel<kChannels, Tile>, s, patches, global(dy, sizes.y), global(y, sizes.y),
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
