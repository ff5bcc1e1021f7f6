#include "engine/io/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace bauta {
namespace {

using Byte = std::uint8_t;

constexpr int kChannels = 3;
// 8 bits are left for the pixel and 2 for sums beyond its range.
constexpr int kWeightBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

// The pixels along one axis that an output pixel is made of: `count` of them from `first` on, and their
// weights at weights[index * stride].
struct Window {
  int first;
  int count;
};

struct Filter {
  std::vector<Window> windows;
  std::vector<std::int32_t> weights;
  std::size_t stride;

  const std::int32_t* weights_of(std::size_t i) const { return weights.data() + i * stride; }
};

// Pillow's rounding, of numbers of at least -0.5 or so: lround would round some of them differently.
int round_up_half(double x) { return static_cast<int>(x + 0.5); }  // NOLINT(bugprone-incorrect-roundings)

// The triangle filter between `src` and `dst` pixels. The arithmetic, in double and in this order, is
// Pillow's, so that the weights come out the same to the last bit.
Filter make_filter(int src, int dst) {
  const double scale = static_cast<double>(src) / dst;
  const double support = std::max(scale, 1.0);
  const double inverse = 1.0 / support;
  Filter filter;
  filter.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  filter.windows.resize(static_cast<std::size_t>(dst));
  filter.weights.resize(static_cast<std::size_t>(dst) * filter.stride);
  std::vector<double> real(filter.stride);
  for (std::size_t i = 0; i < filter.windows.size(); ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int first = std::max(0, round_up_half(center - support));
    const int count = std::min(src, round_up_half(center + support)) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      const double distance = std::abs((k + first - center + 0.5) * inverse);
      real[static_cast<std::size_t>(k)] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += real[static_cast<std::size_t>(k)];
    }
    filter.windows[i] = {first, count};
    for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
      const double weight = sum != 0.0 ? real[k] / sum : real[k];
      filter.weights[i * filter.stride + k] = round_up_half(weight * (1 << kWeightBits));
    }
  }
  return filter;
}

// The weights are at least 0 and sum to 1 but for their rounding, so a sum is never negative.
Byte round_to_byte(std::int32_t sum) { return static_cast<Byte>(std::min(sum >> kWeightBits, 255)); }

// Filters along each of `rows` rows. An output pixel is a few taps of three channels, all in registers.
void resize_rows(const Filter& filter, const Byte* src, std::size_t src_pitch, std::size_t rows, Byte* dst) {
  for (std::size_t y = 0; y < rows; ++y, src += src_pitch) {
    for (std::size_t x = 0; x < filter.windows.size(); ++x, dst += kChannels) {
      const std::int32_t* weights = filter.weights_of(x);
      const Byte* p = src + static_cast<std::ptrdiff_t>(filter.windows[x].first) * kChannels;
      std::int32_t r = kHalf;
      std::int32_t g = kHalf;
      std::int32_t b = kHalf;
      for (int k = 0; k < filter.windows[x].count; ++k, p += kChannels) {
        r += p[0] * weights[k];
        g += p[1] * weights[k];
        b += p[2] * weights[k];
      }
      dst[0] = round_to_byte(r);
      dst[1] = round_to_byte(g);
      dst[2] = round_to_byte(b);
    }
  }
}

// Filters down the columns of rows of `pitch` bytes, whose first one in `src` is row `src_first` of the
// image. All bytes of a row share their weights: a row of sums takes one source row after another, over
// neighbouring bytes.
void resize_columns(const Filter& filter, const Byte* src, int src_first, std::size_t pitch, Byte* dst) {
  std::vector<std::int32_t> sums(pitch);
  for (std::size_t y = 0; y < filter.windows.size(); ++y, dst += pitch) {
    const std::int32_t* weights = filter.weights_of(y);
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < filter.windows[y].count; ++k) {
      const Byte* row = src + static_cast<std::size_t>(filter.windows[y].first - src_first + k) * pitch;
      const std::int32_t weight = weights[k];
      for (std::size_t i = 0; i < pitch; ++i) sums[i] += row[i] * weight;
    }
    for (std::size_t i = 0; i < pitch; ++i) dst[i] = round_to_byte(sums[i]);
  }
}

// Pillow's order of the passes, which matters because each rounds: rows first (the only order before Pillow
// 13), but columns first where the height loses pixels, and more than twice as many as the width does.
bool columns_come_first(std::int64_t src_width, std::int64_t src_height, std::int64_t dst_width,
                        std::int64_t dst_height) {
  const std::int64_t lost = src_height - dst_height;
  return lost > 0 && lost > 2 * (src_width - dst_width);
}

bool has_bytes(std::span<const Byte> pixels, int width, int height) {
  return width >= 1 && height >= 1 &&
         pixels.size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * kChannels;
}

Status check(const char* which, std::span<const Byte> pixels, int width, int height) {
  if (has_bytes(pixels, width, height)) return {};
  return Status::error(std::string("resize_bilinear: the ") + which + " has " +
                           std::to_string(pixels.size()) + " bytes for " + std::to_string(width) + "x" +
                           std::to_string(height) + " pixels",
                       {}, "sizes are at least 1, and there are 3 bytes per pixel");
}

}  // namespace

Status resize_bilinear(std::span<const Byte> src, int src_width, int src_height, std::span<Byte> dst,
                       int dst_width, int dst_height) {
  BAUTA_TRY(check("source", src, src_width, src_height));
  BAUTA_TRY(check("destination", dst, dst_width, dst_height));
  const std::size_t src_pitch = static_cast<std::size_t>(src_width) * kChannels;
  const std::size_t dst_pitch = static_cast<std::size_t>(dst_width) * kChannels;
  const auto src_rows = static_cast<std::size_t>(src_height);
  const auto dst_rows = static_cast<std::size_t>(dst_height);
  if (src_width == dst_width && src_height == dst_height) {
    std::copy(src.begin(), src.end(), dst.begin());
    return {};
  }
  if (src_height == dst_height) {
    resize_rows(make_filter(src_width, dst_width), src.data(), src_pitch, src_rows, dst.data());
    return {};
  }
  const Filter columns = make_filter(src_height, dst_height);
  if (src_width == dst_width) {
    resize_columns(columns, src.data(), 0, dst_pitch, dst.data());
    return {};
  }
  const Filter rows = make_filter(src_width, dst_width);
  if (columns_come_first(src_width, src_height, dst_width, dst_height)) {
    std::vector<Byte> between(dst_rows * src_pitch);
    resize_columns(columns, src.data(), 0, src_pitch, between.data());
    resize_rows(rows, between.data(), src_pitch, dst_rows, dst.data());
    return {};
  }
  // Rows that no output row is made of are not filtered.
  const Window& last = columns.windows.back();
  const auto first = static_cast<std::size_t>(columns.windows.front().first);
  const auto end = static_cast<std::size_t>(last.first) + static_cast<std::size_t>(last.count);
  std::vector<Byte> between((end - first) * dst_pitch);
  resize_rows(rows, src.data() + first * src_pitch, src_pitch, end - first, between.data());
  resize_columns(columns, between.data(), static_cast<int>(first), dst_pitch, dst.data());
  return {};
}

}  // namespace bauta
