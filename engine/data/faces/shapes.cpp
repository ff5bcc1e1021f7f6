#include "engine/data/faces/shapes.h"

#include <algorithm>
#include <numbers>

namespace bauta::faces {
namespace {

constexpr int kStepsPerSpan = 5;

Point catmull_rom(Point a, Point b, Point c, Point d, float t) {
  const Point quadratic = 2.0F * a - 5.0F * b + 4.0F * c - d;
  const Point cubic = 3.0F * (b - c) + d - a;
  return b + 0.5F * t * (c - a + t * (quadratic + t * cubic));
}

/// Adds to a row of differences the area to the right of a piece of edge that spans `height` of that row's
/// pixels between the columns `from` and `to`. The row's prefix sum is then the area covered.
void add_edge_piece(float* differences, float from, float to, float height) {
  const float left = std::min(from, to);
  const float right = std::max(from, to);
  const float density = right > left ? height / (right - left) : 0;
  const int last = static_cast<int>(right);
  for (int column = static_cast<int>(left); column <= last; ++column) {
    const float enter = std::max(left, static_cast<float>(column));
    const float leave = std::min(right, static_cast<float>(column + 1));
    const float part = right > left ? density * (leave - enter) : height;
    const float middle = 0.5F * (enter + leave) - static_cast<float>(column);
    differences[column] += part * (1 - middle);
    differences[column + 1] += part * middle;
  }
}

/// The differences of a box: rows of `width` + 2, so that edges beyond the right border have a place.
class Differences {
 public:
  Differences(int width, int height)
      : width_(width),
        height_(height),
        stride_(width + 2),
        values_(static_cast<std::size_t>(stride_ * height)) {}

  void add_edge(Point a, Point b) {
    const float sign = a.y < b.y ? 1.0F : -1.0F;
    if (a.y > b.y) std::swap(a, b);
    if (b.y <= 0 || a.y >= static_cast<float>(height_) || a.y == b.y) return;
    const float slope = (b.x - a.x) / (b.y - a.y);
    const int first = std::max(0, static_cast<int>(a.y));
    const int end = std::min(height_, static_cast<int>(std::ceil(b.y)));
    for (int y = first; y < end; ++y) {
      const float top = std::max(static_cast<float>(y), a.y);
      const float bottom = std::min(static_cast<float>(y + 1), b.y);
      add_edge_piece(row(y), clamped(a.x + slope * (top - a.y)), clamped(a.x + slope * (bottom - a.y)),
                     sign * (bottom - top));
    }
  }

  void sum_row(int y, float* alpha) {
    const float* differences = row(y);
    float area = 0;
    for (int x = 0; x < width_; ++x) {
      area += differences[x];
      alpha[x] = std::min(1.0F, std::abs(area));
    }
  }

 private:
  float* row(int y) { return values_.data() + y * stride_; }
  float clamped(float x) const { return std::clamp(x, 0.0F, static_cast<float>(width_)); }

  int width_, height_, stride_;
  std::vector<float> values_;
};

void blur_rows(float* pixels, int width, int height, int radius, std::vector<float>& line) {
  const float scale = 1.0F / static_cast<float>(2 * radius + 1);
  const int padded = width + 2 * radius + 1;
  line.resize(static_cast<std::size_t>(padded));
  for (int y = 0; y < height; ++y, pixels += width) {
    std::fill_n(line.begin(), radius + 1, pixels[0]);
    std::copy_n(pixels, width, line.begin() + radius);
    std::fill_n(line.begin() + radius + width, radius + 1, pixels[width - 1]);
    float sum = 0;
    const float* leaves = line.data();
    const float* enters = leaves + 2 * radius + 1;
    for (int i = 0; i < 2 * radius + 1; ++i) sum += leaves[i];
    for (int x = 0; x < width; ++x) {
      pixels[x] = sum * scale;
      sum += enters[x] - leaves[x];
    }
  }
}

void blur_columns(float* pixels, int width, int height, int radius, std::vector<float>& copy) {
  const float scale = 1.0F / static_cast<float>(2 * radius + 1);
  copy.assign(pixels, pixels + static_cast<std::ptrdiff_t>(width) * height);
  const auto source = [&](int y) { return copy.data() + std::clamp(y, 0, height - 1) * width; };
  std::vector<float> sums(static_cast<std::size_t>(width));
  for (int y = -radius; y <= radius; ++y) {
    for (int x = 0; x < width; ++x) sums[static_cast<std::size_t>(x)] += source(y)[x];
  }
  for (int y = 0; y < height; ++y, pixels += width) {
    const float* enters = source(y + radius + 1);
    const float* leaves = source(y - radius);
    for (int x = 0; x < width; ++x) {
      float& sum = sums[static_cast<std::size_t>(x)];
      pixels[x] = sum * scale;
      sum += enters[x] - leaves[x];
    }
  }
}

}  // namespace

Path smooth_loop(const Path& controls) {
  const std::size_t n = controls.size();
  Path loop;
  loop.reserve(n * kStepsPerSpan);
  for (std::size_t i = 0; i < n; ++i) {
    for (int step = 0; step < kStepsPerSpan; ++step) {
      loop.push_back(catmull_rom(controls[(i + n - 1) % n], controls[i], controls[(i + 1) % n],
                                 controls[(i + 2) % n], static_cast<float>(step) / kStepsPerSpan));
    }
  }
  return loop;
}

Path smooth_line(const Path& controls) {
  const std::size_t last = controls.size() - 1;
  Path line;
  line.reserve(last * kStepsPerSpan + 1);
  for (std::size_t i = 0; i < last; ++i) {
    for (int step = 0; step < kStepsPerSpan; ++step) {
      line.push_back(catmull_rom(controls[i == 0 ? 0 : i - 1], controls[i], controls[i + 1],
                                 controls[std::min(i + 2, last)], static_cast<float>(step) / kStepsPerSpan));
    }
  }
  line.push_back(controls[last]);
  return line;
}

Path mirrored(const Path& half) {
  Path whole = half;
  for (std::size_t i = half.size(); i-- > 0;) {
    if (half[i].x != 0) whole.push_back({-half[i].x, half[i].y});
  }
  return whole;
}

Path ellipse(Point centre, Point radius) {
  constexpr int kCorners = 20;
  Path path;
  path.reserve(kCorners);
  for (int i = 0; i < kCorners; ++i) {
    const float angle = 2 * std::numbers::pi_v<float> * static_cast<float>(i) / kCorners;
    path.push_back({centre.x + radius.x * std::cos(angle), centre.y + radius.y * std::sin(angle)});
  }
  return path;
}

Path stroke(const Path& line, float radius, float end_radius) {
  const std::size_t n = line.size();
  Path left, right;
  Point along{};
  for (std::size_t i = 0; i < n; ++i) {
    const float r = radius + (end_radius - radius) * static_cast<float>(i) / static_cast<float>(n - 1);
    const Point direction = line[std::min(i + 1, n - 1)] - line[i == 0 ? 0 : i - 1];
    along = (1.0F / std::max(length(direction), 1e-6F)) * direction;
    const Point across = r * Point{-along.y, along.x};
    if (i == 0) left.push_back(line[0] - (0.7F * r) * along);
    left.push_back(line[i] + across);
    right.push_back(line[i] - across);
  }
  left.push_back(line[n - 1] + (0.7F * end_radius) * along);
  left.insert(left.end(), right.rbegin(), right.rend());
  return left;
}

Coverage cover(std::initializer_list<std::reference_wrapper<const Path>> outlines, int width, int height,
               float softness) {
  float left = 1e9F, right = -1e9F, top = 1e9F, bottom = -1e9F;
  for (const Path& outline : outlines) {
    for (const Point& p : outline) {
      left = std::min(left, p.x), right = std::max(right, p.x);
      top = std::min(top, p.y), bottom = std::max(bottom, p.y);
    }
  }
  const auto column = [&](float x) {
    return static_cast<int>(std::clamp(x, 0.0F, static_cast<float>(width)));
  };
  const auto line = [&](float y) {
    return static_cast<int>(std::clamp(y, 0.0F, static_cast<float>(height)));
  };
  Coverage box;
  box.x0 = column(left - softness);
  box.y0 = line(top - softness);
  box.width = column(right + softness + 1) - box.x0;
  box.height = line(bottom + softness + 1) - box.y0;
  if (box.width <= 0 || box.height <= 0) return {};

  const Point origin{static_cast<float>(box.x0), static_cast<float>(box.y0)};
  Differences differences(box.width, box.height);
  for (const Path& outline : outlines) {
    for (std::size_t i = 0; i < outline.size(); ++i) {
      differences.add_edge(outline[i] - origin, outline[(i + 1) % outline.size()] - origin);
    }
  }
  box.alpha.resize(static_cast<std::size_t>(box.width) * static_cast<std::size_t>(box.height));
  for (int y = 0; y < box.height; ++y) differences.sum_row(y, box.row(box.y0 + y));
  const int radius = static_cast<int>(std::lround(0.5F * softness));
  if (radius > 0) box_blur(box.alpha.data(), box.width, box.height, radius);
  return box;
}

void box_blur(float* pixels, int width, int height, int radius) {
  std::vector<float> scratch;
  for (int pass = 0; pass < 2; ++pass) {
    blur_rows(pixels, width, height, radius, scratch);
    blur_columns(pixels, width, height, radius, scratch);
  }
}

}  // namespace bauta::faces
