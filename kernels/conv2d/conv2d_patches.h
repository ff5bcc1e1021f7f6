#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/conv2d/conv2d_halo_tiles.h"

/// Convolutions in bf16 whose kernel is 3x3, whose stride is 1, and whose images have 32, 64 or at most 8
/// channels. A block takes one patch of 8x16 positions after another. It has the halo tile of the image that
/// a patch reads, 10x18 pixels, in shared memory, in bf16, from where each tap's fragments come with
/// ldmatrix: what a tile of conv2d_tiles.h gathers from memory for each tap is read once, and of the
/// instructions of the inner loop about half are mma, where tiles are narrow, or more. Forward and dgrad keep
/// the weights of the block's columns beside it; wgrad keeps dw in registers, and the gradients of the patch
/// beside it.
namespace bauta::BAUTA_DEVICE {

/// The weights of a block's columns, as the product's b: MN-major (forward), a row of the block's
/// out-channels for each k of HaloTile::kDepth; K-major (dgrad), for each tap a row of kChannels for each of
/// the block's in-channels.
template <Major kB, int kChannels, class Tile>
struct PatchWeights {
  static constexpr int kRows = kB == Major::mn ? HaloTile<kChannels>::kDepth : kPatchTaps * Tile::kColumns;
  static constexpr int kLength = kB == Major::mn ? Tile::kColumns : kChannels;
  static constexpr std::size_t kBytes = kRows * (kLength + Tile::kPad) * sizeof(bf16);

  using Array = Shared<bf16, kRows, kLength + Tile::kPad>;
};

/// A block of forward or dgrad has kGroups groups of 128 threads (threadIdx.y), each with a patch of its own,
/// which share the weights. With an H100's shared memory a multiprocessor has one block of three groups, if
/// their halo tiles and staging buffers fit, and halo tiles are prefetched while the patches before are
/// computed. Elsewhere a block has one group, which reads a halo tile when it needs it, and there are as many
/// blocks as fit; with at most 8 channels it is always one group, which prefetches. Code compiled for GPUs
/// before sm_90 has one group, even where an H100 runs it, from PTX.
inline constexpr int kMaxGroups = 3;
inline constexpr KernelLimits kMaxGroupsLimits = {227 * 1024, 90};
// Whether the build has such code at all.
#if defined(__CUDA_ARCH_LIST__)
inline constexpr bool kBuiltForMaxGroups = std::ranges::max({__CUDA_ARCH_LIST__}) >= 900;
#else
inline constexpr bool kBuiltForMaxGroups = true;
#endif

/// Blocks of forward and dgrad that a multiprocessor is to hold at once, which limits their registers. Before
/// sm_90 some would spill, and from sm_120 on there is less shared memory.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 900 || __CUDA_ARCH__ >= 1200)
template <int kChannels, class Tile, int kGroups>
inline constexpr int kPatchBlocks = 1;
#else
template <int kChannels, class Tile, int kGroups>
inline constexpr int kPatchBlocks = kGroups > 1                               ? 1
                                    : kChannels == 8 && !Tile::kManyRegisters ? 4
                                                                              : 3;
#endif

/// Who reads the halo tiles of forward and of conv2d's dgrad.
template <int kChannels, class Tile, int kGroups>
using PatchReader = std::conditional_t<kChannels == 8 || (kGroups > 1), HaloReader<kChannels, Tile>,
                                       OnDemandHaloReader<kChannels, Tile>>;

/// Where the dynamic shared memory of a block of forward (MN-major weights) or dgrad (K-major) has the halo
/// tile of a group, and what the group's reader uses, behind the weights; and its size.
template <Major kB, int kChannels, class Tile, class Reader, int kGroups>
struct PatchMemory {
  static constexpr std::size_t kWeights = PatchWeights<kB, kChannels, Tile>::kBytes;
  static constexpr std::size_t kOfGroup = HaloTile<kChannels>::kBytes + Reader::kBytes;
  static constexpr std::size_t kBytes = kWeights + kGroups * kOfGroup;

  __device__ __forceinline__ static std::size_t halo() { return kWeights + threadIdx.y * kOfGroup; }
  __device__ __forceinline__ static std::size_t reader() { return halo() + HaloTile<kChannels>::kBytes; }
};

template <int kChannels, class Tile, int kGroups>
using ForwardPatchMemory =
    PatchMemory<Major::mn, kChannels, Tile, PatchReader<kChannels, Tile, kGroups>, kGroups>;

/// Vectors of a thread that are on their way at a time, at most: before the first patch there are registers
/// for many.
inline constexpr int kWeightsAtOnce = 18;

/// Reads the weights of the columns from first_n on, each group its share. Columns are out-channels where
/// they are MN-major, and in-channels where they are K-major.
template <Major kB, int kChannels, class Tile, int kGroups>
__device__ __forceinline__ void load_patch_weights(
    const Conv2dShape& s, Ptr<const float> w, int first_n,
    typename PatchWeights<kB, kChannels, Tile>::Array& weights) {
  using Weights = PatchWeights<kB, kChannels, Tile>;
  using Rows = ThreadMap<Tile, 4, Weights::kRows, Weights::kLength>;
  constexpr int kOfTap = kB == Major::mn ? kChannels : Tile::kColumns;
  constexpr int kShare = ceil_div(Rows::kCount, kGroups);
  const int first = static_cast<int>(threadIdx.y) * kShare;
  const int column = Rows::column();
  const auto fetch = [&](int i) {
    const int row = Rows::row(first + i);
    const int tap = row / kOfTap;
    const int c = row % kOfTap + (kB == Major::mn ? 0 : first_n);
    const int o = column + (kB == Major::mn ? first_n : 0);
    const bool as_in_w = kB == Major::mn && kChannels != 8;  // the rows are w's
    const Index at = Index{as_in_w ? row : tap * s.in_channels + c} * s.out_channels + o;
    return Address<4>{w, at, tap < kPatchTaps && c < s.in_channels && o < s.out_channels}.fetch();
  };
  const auto put = [&](int i, const Values<4>& values) {
    if (Rows::kCount % kGroups == 0 || first + i < Rows::kCount)
      values.put(weights, Rows::row(first + i), column);
  };
  move_pieces<kShare, kWeightsAtOnce>(fetch, put);
}

/// sums += Σ over taps and channels of halo tile·weights; position(m) is row m's place in the patch. K-major
/// weights, dgrad's, meet the taps of the halo tile in reverse.
template <Major kB, int kChannels, class Tile, class Position>
__device__ __forceinline__ void multiply_halo_tile(typename HaloTile<kChannels>::Array& halo,
                                                   typename PatchWeights<kB, kChannels, Tile>::Array& weights,
                                                   const Position& position,
                                                   const typename Tile::Thread& thread,
                                                   typename Tile::Sums& sums) {
  constexpr int kPitch = HaloTile<kChannels>::kPitch;
  Ptr<const bf16> from[Tile::kSumRows];  // of the lane
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
    const auto at = position(thread.warp_row + 16 * r + thread.lane % 16);
    from[r] = &halo[(at.i * kHaloColumns + at.j) * kPitch];
  }
  // Row by row of taps: all of them in one stretch would be instructions that few patches have a use for.
  constexpr int kDepth = HaloTile<kChannels>::kDepth;
  constexpr int kOfRow = kChannels == 8 ? kDepth : kPatchKernel * kChannels;
#pragma unroll 1
  for (int row = 0; row < kDepth / kOfRow; ++row) {
#pragma unroll
    for (int k = 0; k < kOfRow; k += 16) {
      unsigned as[Tile::kSumRows][4], bs[Tile::kSumFours / 2][4];
      const auto step = HaloTile<kChannels>::step(k, thread.lane / 16);
      const int offset = (row * kHaloColumns + step.pixel) * kPitch + step.channel;
#pragma unroll
      for (int r = 0; r < Tile::kSumRows; ++r) ldmatrix_x4(as[r], from[r] + offset);
      const int tap = row * kPatchKernel + k / kChannels;
      const int line = kB == Major::mn ? 0 : (kPatchTaps - 1 - tap) * Tile::kColumns;
#pragma unroll
      for (int f = 0; f < Tile::kSumFours; f += 2) {
        load_lines<kB, true>(bs[f / 2], weights, line + thread.warp_column + 8 * f,
                             kB == Major::mn ? row * kOfRow + k : k % kChannels, thread.lane);
      }
#pragma unroll
      for (int r = 0; r < Tile::kSumRows; ++r) multiply_row<Tile>(as[r], bs, sums[r]);
    }
  }
}

/// Waits for the threads of a group, and for those of no other: one fills its halo tile and writes its sums
/// while the others multiply.
template <int kGroups>
__device__ __forceinline__ void sync_patch_group() {
  if constexpr (kGroups == 1) {
    __syncthreads();
  } else {
    sync_group();
  }
}

/// Computes the block's patches, whose halo tiles the group's reader brings: sums begin with `bias`, null in
/// dgrad; position(m) is row m's place in a patch, and store(first position of the patch, thread, sums)
/// writes them, as mma has them. The halo tile begins `margin` rows and columns before the patch.
template <Major kB, int kChannels, class Tile, int kGroups, class Reader, class Position, class Store>
__device__ __forceinline__ void for_each_patch(const Conv2dShape& s, const Patches& patches, int margin,
                                               Ptr<const float> w, Ptr<const float> bias, Reader reader,
                                               const Position& position, const Store& store) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  if constexpr (kGroups > 1) {
    __trap();  // with_patch_groups does not launch it
    return;
  }
#endif
  using Memory = PatchMemory<kB, kChannels, Tile, Reader, kGroups>;
  auto&& weights = dynamic_shared<typename PatchWeights<kB, kChannels, Tile>::Array>();
  auto&& halo = dynamic_shared<typename HaloTile<kChannels>::Array>(Memory::halo());
  const auto prefetch = [&](int patch) {
    if (patch >= patches.count) return;
    const auto first = patches.first(patch);
    reader.prefetch({first.n, first.i - margin, first.j - margin});
  };
  const int blocks = static_cast<int>(gridDim.x);
  int patch = static_cast<int>(blockIdx.x) + static_cast<int>(threadIdx.y) * blocks;
  prefetch(patch);
  if constexpr (kChannels == 8) clear_halo_tile<kChannels, Tile>(halo);
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  load_patch_weights<kB, kChannels, Tile, kGroups>(s, w, first_n, weights);
  __syncthreads();
  const typename Tile::Thread thread;
#pragma unroll 1
  while (patch < patches.count) {
    const int mine = patch;
    reader.fill(halo);
    sync_patch_group<kGroups>();
    patch += kGroups * blocks;
    prefetch(patch);
    typename Tile::Sums sums;
    begin_with_biases<Tile>(thread, first_n, s.out_channels, bias, sums);
    multiply_halo_tile<kB, kChannels, Tile>(halo, weights, position, thread, sums);
    store(patches.first(mine), thread, sums);
    sync_patch_group<kGroups>();
  }
}

/// Writes a patch's sums, as mma has them, to `to` [N,height,width,channels].
template <class Tile>
__device__ __forceinline__ void store_patch(const Raster::Position& first,
                                            const typename Tile::Thread& thread, typename Tile::Sums& sums,
                                            int first_n, int height, int width, int channels, Ptr<float> to) {
  gather_fours<Tile>(thread.lane, sums);
  store_sums<4, Tile>(thread, sums, first_n, channels, to, [&](int m) {
    const auto at = position_in_patch(m);
    if (first.i + at.i >= height || first.j + at.j >= width) return Index{-1};
    return ((Index{first.n} * height + first.i + at.i) * width + first.j + at.j) * channels;
  });
}

/// How far before a patch of dx the halo tile of dy begins.
__host__ __device__ constexpr int dgrad_margin(int pad) { return kPatchKernel - 1 - pad; }

/// The block's patches of dx; the reader brings halo tiles of dy.
template <int kChannels, class Tile, int kGroups, class Reader>
__device__ __forceinline__ void dgrad_patches(const Conv2dShape& s, const Patches& patches,
                                              Ptr<const float> w, Ptr<float> dx, const Reader& reader) {
  for_each_patch<Major::k, kChannels, Tile, kGroups>(
      s, patches, dgrad_margin(s.pad), w, {}, reader, [](int m) { return position_in_patch(m); },
      [&](const Raster::Position& first, const typename Tile::Thread& thread, typename Tile::Sums& sums) {
        store_patch<Tile>(first, thread, sums, static_cast<int>(blockIdx.y) * Tile::kColumns, s.in_h, s.in_w,
                          s.in_channels, dx);
      });
}

// --- wgrad

template <class Tile>
using GradientPatch = Shared<bf16, kPatchRows * kPatchColumns, Tile::kColumns + Tile::kPad>;

/// Where the dynamic shared memory of a block of wgrad has its gradients and what its reader of halo tiles
/// uses, behind the halo tile; and its size, without what a reader of gradients uses, which comes behind.
template <int kChannels, class Tile>
struct WgradPatchMemory {
  static constexpr std::size_t kGradients = HaloTile<kChannels>::kBytes;
  static constexpr std::size_t kReader =
      kGradients + kPatchRows * kPatchColumns * (Tile::kColumns + Tile::kPad) * sizeof(bf16);
  static constexpr std::size_t kBytes = kReader + HaloReader<kChannels, Tile>::kBytes;
};

/// A thread's part of a patch of gradients: four neighbouring columns, of which it also adds up dbias.
template <class Tile>
struct GradientThreadMap {
  static constexpr int kLanes = Tile::kColumns / 4;
  static constexpr int kStep = Tile::kThreads / kLanes;

  float bias_sums[4] = {};

  __device__ __forceinline__ static int column() { return thread_in_group() % kLanes * 4; }
  /// Row i of this thread's, of what has a multiple of kStep of them.
  __device__ __forceinline__ static int row(int i) { return thread_in_group() / kLanes + i * kStep; }

  /// Adds gradients to dbias, rounded as they are for dw.
  __device__ __forceinline__ void add(const uint2& gradients) {
    float values[4];
    unpack_four(gradients, values);
#pragma unroll
    for (int i = 0; i < 4; ++i) bias_sums[i] += values[i];
  }
};

/// sums += the part's share of Σ over the patch's positions of x at position + tap · the position's gradient;
/// a row of the patch is 16 k. The tile's rows are taps, and the halo tile's channels of each.
template <int kChannels, class Tile>
__device__ __forceinline__ void multiply_patch(typename HaloTile<kChannels>::Array& halo,
                                               GradientPatch<Tile>& gradients,
                                               const typename Tile::Thread& thread,
                                               typename Tile::Sums& sums) {
  constexpr int kShare = kPatchRows / Tile::kParts;
  constexpr int kRow = kHaloColumns * HaloTile<kChannels>::kPitch;
  const int first = thread.part * kShare;
  Ptr<const bf16> from[Tile::kSumRows];  // of the lane
#pragma unroll
  for (int r = 0; r < Tile::kSumRows; ++r) {
    const auto step = HaloTile<kChannels>::step(thread.warp_row + 16 * r, thread.lane / 8 % 2);
    const int pixel = thread.lane / 16 * 8 + thread.lane % 8 + step.pixel;
    from[r] = &halo[first * kRow + pixel * HaloTile<kChannels>::kPitch + step.channel];
  }
#pragma unroll 4
  for (int i = 0; i < kShare; ++i) {
    unsigned bs[Tile::kSumFours / 2][4];
#pragma unroll
    for (int f = 0; f < Tile::kSumFours; f += 2) {
      load_lines<Major::mn, true>(bs[f / 2], gradients, thread.warp_column + 8 * f,
                                  (first + i) * kPatchColumns, thread.lane);
    }
#pragma unroll
    for (int r = 0; r < Tile::kSumRows; ++r) {
      unsigned as[4];
      ldmatrix_x4<true>(as, from[r] + i * kRow);
      multiply_row<Tile>(as, bs, sums[r]);
    }
  }
}

/// Adds up the threads' bias sums, in order, to a row of partial sums.
template <class Tile>
__device__ __forceinline__ void store_bias_sums(const GradientThreadMap<Tile>& map, int first_n, int columns,
                                                Ptr<float> to) {
  using ThreadMap = GradientThreadMap<Tile>;
  alignas(16) __shared__ Shared<float, ThreadMap::kStep, Tile::kColumns> shares;
  store_vector(&shares[ThreadMap::row(0)][ThreadMap::column()], map.bias_sums);
  __syncthreads();
  const int column = thread_in_group();
  if (column >= Tile::kColumns || first_n + column >= columns) return;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < ThreadMap::kStep; ++i) sum += shares[i][column];
  to[first_n + column] = sum;
}

/// The block's share of dw and dbias of its columns, to partial [blocks][rows][O]. `dy` reads gradients of y:
/// prefetch(first position of the patch), and fill(gradients, map), which puts them into place, zeros where
/// there are none, and adds up dbias.
template <int kChannels, class Tile, class GradientReader>
__device__ __forceinline__ void wgrad_patches(const Conv2dShape& s, const Patches& patches,
                                              const Images& images, Ptr<float> partial, GradientReader dy) {
  using Memory = WgradPatchMemory<kChannels, Tile>;
  using Reader = HaloReader<kChannels, Tile>;
  auto&& halo = dynamic_shared<typename HaloTile<kChannels>::Array>();
  auto&& gradients = dynamic_shared<GradientPatch<Tile>>(Memory::kGradients);
  const Reader x(images, patches, Memory::kReader);
  const auto prefetch = [&](int patch) {
    if (patch >= patches.count) return;
    const auto first = patches.first(patch);
    x.prefetch({first.n, first.i - s.pad, first.j - s.pad});
    dy.prefetch(first);
  };
  int patch = static_cast<int>(blockIdx.x);
  prefetch(patch);
  if constexpr (kChannels == 8) clear_halo_tile<kChannels, Tile>(halo);
  __syncthreads();
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const typename Tile::Thread thread;
  typename Tile::Sums sums = {};
  GradientThreadMap<Tile> map;
#pragma unroll 1
  while (patch < patches.count) {
    x.fill(halo);
    dy.fill(gradients, map);
    patch += static_cast<int>(gridDim.x);
    prefetch(patch);
    __syncthreads();
    multiply_patch<kChannels, Tile>(halo, gradients, thread, sums);
    __syncthreads();
  }
  gather_fours<Tile>(thread.lane, sums);
  add_parts<Tile, Reader::kSlots, Reader::kVector>(thread, sums,
                                                   dynamic_shared<typename Reader::Slots>(Memory::kReader));
  const Index first_row = Index{static_cast<int>(blockIdx.x)} * wgrad_rows(s);
  store_sums<4, Tile>(thread, sums, first_n, s.out_channels, partial, [&](int row) {
    const int tap = row / kChannels;
    const int c = row % kChannels;
    if (tap >= kPatchTaps || c >= s.in_channels) return Index{-1};
    return (first_row + tap * s.in_channels + c) * s.out_channels;
  });
  store_bias_sums<Tile>(map, first_n, s.out_channels,
                        partial + (first_row + wgrad_rows(s) - 1) * s.out_channels);
}

// --- What a pass is computed by

/// Whether a pass that computes `positions` of each sample is computed by patches; `channels_suit`: there are
/// kernels for its channels.
inline bool has_patches(Precision precision, const Conv2dShape& s, bool channels_suit, Index positions) {
  return precision == Precision::bf16 && s.kernel == kPatchKernel && s.stride == 1 && channels_suit &&
         s.out_channels % 4 == 0 && positions >= kFewPositions;
}
inline bool forward_has_patches(Precision precision, const Conv2dShape& s) {
  const int c = s.in_channels;
  return has_patches(precision, s, c <= 8 || c == 32 || c == 64, Index{s.out_h} * s.out_w);
}
inline bool dgrad_has_patches(Precision precision, const Conv2dShape& s) {
  const bool channels_suit = (s.out_channels == 32 || s.out_channels == 64) && s.in_channels % 4 == 0;
  return has_patches(precision, s, channels_suit, Index{s.in_h} * s.in_w);
}
inline bool wgrad_has_patches(Precision precision, const Conv2dShape& s) {
  return forward_has_patches(precision, s);
}

/// Calls body.operator()<kChannels, Tile, kGroups>() with as many groups as this device's shared memory
/// has room for and its code was compiled for.
template <Major kB, int kChannels, class Tile, template <int, class, int> class Reader, class Body>
Status with_patch_groups(const Body& body) {
  using MaxGroupsMemory = PatchMemory<kB, kChannels, Tile, Reader<kChannels, Tile, kMaxGroups>, kMaxGroups>;
  if constexpr (kBuiltForMaxGroups && kChannels > 8 &&
                MaxGroupsMemory::kBytes <= kMaxGroupsLimits.dynamic_shared) {
    KernelLimits limits;
    BAUTA_TRY(kernel_limits(limits));
    if (limits.dynamic_shared >= kMaxGroupsLimits.dynamic_shared &&
        limits.architecture >= kMaxGroupsLimits.architecture)
      return body.template operator()<kChannels, Tile, kMaxGroups>();
  }
  return body.template operator()<kChannels, Tile, 1>();
}

/// These two call body the same way, with a tile of their pass. Beside a halo tile of 64 channels shared
/// memory has room for the weights of 32 columns, beside fewer for those of 64. In forward's tiles a thread
/// has all of a pool's window; in dgrad's it reads fewer fragments.
template <class Body>
Status with_forward_patch_tile(const Conv2dShape& s, const Body& body) {
  using Wide = MmaTiles::Wide;
  using Few = MmaTiles::FewChannels;
  const bool few = s.out_channels <= kFewChannels;
  const auto run = [&]<int kChannels, class Tile>() {
    return with_patch_groups<Major::mn, kChannels, Tile, PatchReader>(body);
  };
  if (s.in_channels == 64) return run.template operator()<64, Few>();
  if (s.in_channels == 32)
    return few ? run.template operator()<32, Few>() : run.template operator()<32, Wide>();
  return few ? run.template operator()<8, Few>() : run.template operator()<8, Wide>();
}
template <template <int, class, int> class Reader, class Body>
Status with_dgrad_patch_tile(const Conv2dShape& s, const Body& body) {
  using Few = MmaTile<128, 32, 32, 32, 32>;
  const auto run = [&]<int kChannels, class Tile>() {
    return with_patch_groups<Major::k, kChannels, Tile, Reader>(body);
  };
  if (s.out_channels == 64) return run.template operator()<64, Few>();
  return s.in_channels <= kFewChannels ? run.template operator()<32, Few>()
                                       : run.template operator()<32, MmaTiles::Wide>();
}
/// Calls body.operator()<kChannels, Tile>().
template <class Body>
Status with_wgrad_patch_tile(const Conv2dShape& s, const Body& body) {
  const bool few = s.out_channels <= kFewChannels;
  if (s.in_channels == 64) return body.template operator()<64, MmaTile<576, 32, 32, 144, 32, 1, 256>>();
  if (s.in_channels == 32) {
    return few ? body.template operator()<32, MmaTile<288, 32, 64, 144, 16, 1, 256>>()
               : body.template operator()<32, MmaTile<288, 64, 32, 144, 32, 1, 256>>();
  }
  return few ? body.template operator()<8, MmaTile<80, 32, 32, 80, 16>>()
             : body.template operator()<8, MmaTile<80, 64, 16, 80, 16>>();
}

/// As many blocks as an H100 holds at once, if there are as many patches.
template <int kChannels, class Tile, int kGroups>
dim3 patch_grid(const Patches& patches, int columns) {
  constexpr int kBlocks = kPatchBlocks<kChannels, Tile, kGroups>;
  return dim3(static_cast<unsigned>(std::min(patches.count, kH100Multiprocessors * kBlocks)),
              static_cast<unsigned>(ceil_div(columns, Tile::kColumns)));
}
/// The same of wgrad; of many channels, one for each multiprocessor: what a block leaves is as large as dw.
inline int wgrad_patch_blocks(const Conv2dShape& s, const Patches& patches) {
  return std::min(patches.count, (s.in_channels <= 8 ? 4 : 1) * kH100Multiprocessors);
}

/// The passes of conv2d by patches, for convolutions that have them. wgrad leaves partial sums.
Status conv2d_forward_by_patches(const Context&, const Conv2dShape&, const float* x, const float* w,
                                 const float* bias, float* y);
Status conv2d_dgrad_by_patches(const Context&, const Conv2dShape&, const float* dy, const float* w,
                               float* dx);
Status conv2d_wgrad_by_patches(const Context&, const Conv2dShape&, const float* x, const float* dy,
                               float* partial);

}  // namespace bauta::BAUTA_DEVICE
