#include "kernels/conv2d/conv2d_patches.h"
#include "kernels/conv2d/conv2d_work.h"

namespace bauta::BAUTA_DEVICE {
namespace {

/// forward. Reads x 1.4 times for every 64 columns (32 where there are few, or 64 channels) and w once for
/// every block; writes y once. Bound by shared memory, from where 24 cycles' worth of fragments feed 16 mma.
template <int kChannels, class Tile, int kGroups>
__global__ void __launch_bounds__(kGroups* kGemmThreads, kPatchBlocks<kChannels, Tile, kGroups>)
    forward_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> w,
                           Global<const float> bias, Global<float> y) {
  const Images images{x, s.in_h, s.in_w, s.in_channels};
  const PatchReader<kChannels, Tile, kGroups> reader(images, patches,
                                                     ForwardPatchMemory<kChannels, Tile, kGroups>::reader());
  const int first_n = static_cast<int>(blockIdx.y) * Tile::kColumns;
  for_each_patch<Major::mn, kChannels, Tile, kGroups>(
      s, patches, s.pad, w, bias, reader, [](int m) { return position_in_patch(m); },
      [&](const Raster::Position& first, const typename Tile::Thread& thread, typename Tile::Sums& sums) {
        store_patch<Tile>(first, thread, sums, first_n, s.out_h, s.out_w, s.out_channels, y);
      });
}

template <int kChannels, class Tile, int kGroups>
using DgradMemory = PatchMemory<Major::k, kChannels, Tile, PatchReader<kChannels, Tile, kGroups>, kGroups>;

/// dgrad: as forward, with x and y changing places.
template <int kChannels, class Tile, int kGroups>
__global__ void __launch_bounds__(kGroups* kGemmThreads, kPatchBlocks<kChannels, Tile, kGroups>)
    dgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> dy, Global<const float> w,
                         Global<float> dx) {
  const Images images{dy, s.out_h, s.out_w, s.out_channels};
  const PatchReader<kChannels, Tile, kGroups> reader(images, patches,
                                                     DgradMemory<kChannels, Tile, kGroups>::reader());
  dgrad_patches<kChannels, Tile, kGroups>(s, patches, w, dx, reader);
}

// Reads a patch's gradients in fill(): beside those of the halo tile there is no room for them to wait.
template <class Tile>
class OnDemandGradientReader {
 public:
  __device__ __forceinline__ explicit OnDemandGradientReader(const Images& gradient) : gradient_(gradient) {}

  __device__ __forceinline__ void prefetch(const Raster::Position& first) { first_ = first; }
  __device__ __forceinline__ void fill(GradientPatch<Tile>& gradients, GradientThreadMap<Tile>& map) const {
    const int o = static_cast<int>(blockIdx.y) * Tile::kColumns + map.column();
    const auto fetch = [&](int i) {
      const auto at = position_in_patch(map.row(i));
      Place place = gradient_.place(first_.n, first_.i + at.i, first_.j + at.j);
      place.channel = o;
      auto vector = gradient_.vector<4>(place);
      vector.valid = vector.valid && o < gradient_.channels;
      return vector.fetch();
    };
    const auto put = [&](int i, const Values<4>& vector) {
      const uint2 rounded = pack_four(vector.values);
      map.add(rounded);
      store(&gradients[map.row(i)][map.column()], rounded);
    };
    move_pieces<kPatchRows * kPatchColumns / GradientThreadMap<Tile>::kStep, kVectorsAtOnce>(fetch, put);
  }

 private:
  Images gradient_;
  Raster::Position first_;
};

/// wgrad. Reads x 1.4 times for every 64 columns (32 where there are few, or 64 channels) and dy once; writes
/// the partial sums of 132 blocks (528 where channels are few). Bound by the tensor cores, and by the latency
/// of the gradients that are read between two patches.
template <int kChannels, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    wgrad_patches_kernel(Conv2dShape s, Patches patches, Global<const float> x, Global<const float> dy,
                         Global<float> partial) {
  const OnDemandGradientReader<Tile> gradients(Images{dy, s.out_h, s.out_w, s.out_channels});
  wgrad_patches<kChannels, Tile>(s, patches, Images{x, s.in_h, s.in_w, s.in_channels}, partial, gradients);
}

}  // namespace

Status conv2d_forward_by_patches(const Context& context, const Conv2dShape& s, const float* x, const float* w,
                                 const float* bias, float* y) {
  const Conv2dSizes sizes(s);
  const Patches patches(s.batch, s.out_h, s.out_w, s.in_channels);
  return with_forward_patch_tile(s, [&]<int kChannels, class Tile, int kGroups>() {
    return launch(
        context,
        {"conv2d_forward", patch_grid<kChannels, Tile, kGroups>(patches, s.out_channels),
         dim3(kGemmThreads, kGroups), ForwardPatchMemory<kChannels, Tile, kGroups>::kBytes,
         patches_forward_work<kChannels, Tile, kGroups>(s, patches, sizes.y_bytes(), sizes.y_bytes())},
        forward_patches_kernel<kChannels, Tile, kGroups>, s, patches, global(x, sizes.x), global(w, sizes.w),
        global(bias, s.out_channels), global(y, sizes.y));
  });
}

Status conv2d_dgrad_by_patches(const Context& context, const Conv2dShape& s, const float* dy, const float* w,
                               float* dx) {
  const Conv2dSizes sizes(s);
  const Patches patches(s.batch, s.in_h, s.in_w, s.out_channels);
  const int margin = dgrad_margin(s.pad);
  const double pixels = rows_in_halo_tiles(s.in_h, kPatchRows, margin, s.out_h) *
                        rows_in_halo_tiles(s.in_w, kPatchColumns, margin, s.out_w);
  return with_dgrad_patch_tile<PatchReader>(s, [&]<int kChannels, class Tile, int kGroups>() {
    return launch(context,
                  {"conv2d_dgrad", patch_grid<kChannels, Tile, kGroups>(patches, s.in_channels),
                   dim3(kGemmThreads, kGroups), DgradMemory<kChannels, Tile, kGroups>::kBytes,
                   patches_work<kChannels, Tile, kGroups>(s, patches, s.in_channels, sizes.y_bytes(),
                                                          4.0 * s.batch * pixels * s.out_channels,
                                                          sizes.x_bytes(), sizes.x_bytes())},
                  dgrad_patches_kernel<kChannels, Tile, kGroups>, s, patches, global(dy, sizes.y),
                  global(w, sizes.w), global(dx, sizes.x));
  });
}

Status conv2d_wgrad_by_patches(const Context& context, const Conv2dShape& s, const float* x, const float* dy,
                               float* partial) {
  const Conv2dSizes sizes(s);
  const Patches patches(s.batch, s.out_h, s.out_w, s.in_channels);
  return with_wgrad_patch_tile(s, [&]<int kChannels, class Tile>() {
    const dim3 grid(static_cast<unsigned>(wgrad_patch_blocks(s, patches)),
                    static_cast<unsigned>(ceil_div(s.out_channels, Tile::kColumns)));
    return launch(context,
                  {"conv2d_wgrad", grid, Tile::kThreads, WgradPatchMemory<kChannels, Tile>::kBytes,
                   patches_wgrad_work<Tile>(s, patches, sizes.y_bytes(), sizes.y_bytes())},
                  wgrad_patches_kernel<kChannels, Tile>, s, patches, global(x, sizes.x), global(dy, sizes.y),
                  global(partial, partial_sums(context.precision, s)));
  });
}

}  // namespace bauta::BAUTA_DEVICE
