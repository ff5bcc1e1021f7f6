#pragma once

#include <algorithm>

#include "kernels/conv2d/conv2d_partial_sums.h"

/// What the launches of convolutions say that they move (kernels/cuda/work.h).
namespace bauta::BAUTA_DEVICE {

/// Of a kernel's rows, or columns, those that meet the image, added up over all positions of the output.
inline double taps_inside(int out, int in, const Conv2dShape& s) {
  int count = 0;
  for (int p = 0; p < out; ++p) {
    for (int r = 0; r < s.kernel; ++r) {
      const int i = p * s.stride - s.pad + r;
      count += static_cast<int>(i >= 0 && i < in);
    }
  }
  return count;
}

/// Pairs of an output position and a tap that lies inside the image.
inline double pairs_inside(const Conv2dShape& s) {
  return s.batch * taps_inside(s.out_h, s.in_h, s) * taps_inside(s.out_w, s.in_w, s);
}

inline double positions_of(const Conv2dShape& s) { return double{1} * s.batch * s.out_h * s.out_w; }
inline double depth_of(const Conv2dShape& s) { return double{1} * s.kernel * s.kernel * s.in_channels; }
inline double multiply_adds_of(const Conv2dShape& s) {
  return positions_of(s) * depth_of(s) * s.out_channels;
}

/// Sectors that a run of floats touches on average: whole ones, or one more where it begins anywhere.
inline double sectors(double floats, bool whole) { return whole ? floats / 8 : 1 + (floats - 1) / 8; }

/// Bytes of x that one walk over all positions and taps moves, when a warp's request is for `slice`
/// neighbours of a position's K²·C elements, at as many neighbouring positions as it has lanes for. A slice
/// is made of pieces of rows of the kernel, K·C floats that are neighbours in x; positions share what
/// overlaps.
inline double gathered_bytes(const Conv2dShape& s, int slice, int vector) {
  const int row = s.kernel * s.in_channels;
  const int depth = s.kernel * row;
  const int together = std::max(1, 32 * vector / slice);
  double count = 0;
  for (int begin = 0; begin < depth;) {
    const int end = std::min({(begin / slice + 1) * slice, (begin / row + 1) * row, depth});
    const int piece = end - begin;
    const int run = piece + (together - 1) * std::min(piece, s.stride * s.in_channels);
    count += sectors(run, s.in_channels % 8 == 0) / together;
    begin = end;
  }
  return 32 * count * pairs_inside(s) / (s.kernel * s.kernel);
}

/// Bytes of w that dgrad's blocks read: each all weights of its phase's taps.
template <class Tile>
double dgrad_weight_bytes(const Conv2dShape& s) {
  double elements = 0;
  for (int row = 0; row < std::min(s.stride, s.in_h); ++row) {
    for (int column = 0; column < std::min(s.stride, s.in_w); ++column) {
      const int pixels = s.batch * ceil_div(s.in_h - row, s.stride) * ceil_div(s.in_w - column, s.stride);
      const int taps = taps_from((row + s.pad) % s.stride, s) * taps_from((column + s.pad) % s.stride, s);
      elements += double{1} * ceil_div(pixels, Tile::kRows) * taps * s.in_channels * s.out_channels;
    }
  }
  return 4 * elements;
}

/// Of forward: x and w as its tiles read them, and the biases; `written` are the bytes of its outputs,
/// `written_sectors` those of the sectors that they lie in.
template <class Tile>
Work forward_work(const Conv2dShape& s, int vector, double written, double written_sectors) {
  const dim3 tiles = tiles_of<Tile>(s.batch * s.out_h * s.out_w, s.out_channels, 1);
  const double w = depth_of(s) * s.out_channels;
  const double biases = double{1} * tiles.x * tiles.y * ceil_div(Tile::kPartThreads, 32) * Tile::kColumns;
  return {gathered_bytes(s, Tile::kDepth, vector) * tiles.y + 4 * (tiles.x * w + biases) + written_sectors,
          Conv2dSizes(s).x_bytes() + 4 * (w + s.out_channels) + written, multiply_adds_of(s)};
}

/// Of dgrad: w as its tiles read it and dx; `gradient` are the bytes of dy and what comes with it, and
/// `gradient_moved` what one walk over all pixels and taps moves of it.
template <class Tile>
Work dgrad_work(const Conv2dShape& s, double gradient, double gradient_moved) {
  const double dx = Conv2dSizes(s).x_bytes();
  const int column_tiles = ceil_div(s.in_channels, Tile::kColumns);
  return {gradient_moved * column_tiles + dgrad_weight_bytes<Tile>(s) + dx,
          gradient + 4 * depth_of(s) * s.out_channels + dx, multiply_adds_of(s)};
}

/// Of wgrad: x as its tiles read it and the blocks' partial sums; `gradient` and `gradient_moved` are as
/// above, the latter of all tiles together.
template <class Tile>
Work wgrad_work(const Conv2dShape& s, int vector, double gradient, double gradient_moved) {
  const double partial = 4.0 * wgrad_split<Tile>(s).blocks * wgrad_rows(s) * s.out_channels;
  const double x = Conv2dSizes(s).x_bytes();
  const int column_tiles = ceil_div(s.out_channels, Tile::kColumns);
  return {gathered_bytes(s, Tile::kRows, vector) * column_tiles + gradient_moved + partial,
          x + gradient + 4.0 * wgrad_rows(s) * s.out_channels, multiply_adds_of(s)};
}

/// Of `in` rows (or columns), those in the halo tiles of patches of `patch` rows that cover `out` rows, added
/// up; a halo tile has kPatchKernel - 1 more, and begins `margin` before its patch.
inline double rows_in_halo_tiles(int out, int patch, int margin, int in) {
  int count = 0;
  for (int first = 0; first < out; first += patch) {
    count +=
        std::max(0, std::min(first - margin + patch + kPatchKernel - 1, in) - std::max(first - margin, 0));
  }
  return count;
}

/// Of a pass that is computed by patches: `image_moved` are the bytes that their halo tiles have of what it
/// reads, `image` those that there are; `written` and `written_sectors` are as above.
template <int kChannels, class Tile, int kGroups>
Work patches_work(const Conv2dShape& s, const Patches& patches, int columns, double image, double image_moved,
                  double written, double written_sectors) {
  const dim3 grid = patch_grid<kChannels, Tile, kGroups>(patches, columns);
  const double w = 4 * depth_of(s) * s.out_channels;
  return {image_moved * grid.y + w * grid.x + written_sectors, image + w + written, multiply_adds_of(s)};
}

/// Bytes of x in the halo tiles of the patches that cover y, or in their sectors: rows of few channels are
/// read in runs of 32 floats, which begin anywhere.
inline double halo_tile_bytes(const Conv2dShape& s) {
  const double pixels = double{1} * s.batch * rows_in_halo_tiles(s.out_h, kPatchRows, s.pad, s.in_h) *
                        rows_in_halo_tiles(s.out_w, kPatchColumns, s.pad, s.in_w);
  if (s.in_channels > 8) return 4 * pixels * s.in_channels;
  const int row = kHaloColumns * s.in_channels;
  const double of_row = row / 32 * sectors(32, false) + (row % 32 > 0 ? sectors(row % 32, false) : 0);
  return 32 * of_row * pixels / kHaloColumns;
}

/// Of forward by patches; the biases are read by every warp for every patch.
template <int kChannels, class Tile, int kGroups>
Work patches_forward_work(const Conv2dShape& s, const Patches& patches, double written,
                          double written_sectors) {
  const double biases = 4.0 * patches.count * Tile::kPartThreads / 32 * Tile::kWarpColumns *
                        ceil_div(s.out_channels, Tile::kColumns);
  const double x = Conv2dSizes(s).x_bytes();
  return patches_work<kChannels, Tile, kGroups>(s, patches, s.out_channels, x + 4.0 * s.out_channels,
                                                halo_tile_bytes(s), written, written_sectors + biases);
}

/// Of wgrad by patches; `gradient` and `gradient_moved` are as above.
template <class Tile>
Work patches_wgrad_work(const Conv2dShape& s, const Patches& patches, double gradient,
                        double gradient_moved) {
  const double x = Conv2dSizes(s).x_bytes();
  const double dw = 4.0 * wgrad_rows(s) * s.out_channels;
  const double x_moved = halo_tile_bytes(s) * ceil_div(s.out_channels, Tile::kColumns);
  return {x_moved + gradient_moved + dw * wgrad_patch_blocks(s, patches), x + gradient + dw,
          multiply_adds_of(s)};
}

/// Row tiles of wgrad's product, each of which reads the gradient.
template <class Tile>
double wgrad_row_tiles(const Conv2dShape& s) {
  return ceil_div(wgrad_rows(s), Tile::kRows);
}

/// Of add_partial_sums.
inline Work partial_sums_work(Precision precision, const Conv2dShape& s) {
  const double bytes =
      4.0 * (static_cast<double>(partial_sums(precision, s)) + double{1} * wgrad_rows(s) * s.out_channels);
  return {bytes, bytes};
}

}  // namespace bauta::BAUTA_DEVICE
