#pragma once

#include <cmath>
#include <functional>
#include <initializer_list>
#include <vector>

namespace bauta::faces {

/// A point or a vector; y points down.
struct Point {
  float x = 0;
  float y = 0;
};

inline Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
inline Point operator*(float s, Point a) { return {s * a.x, s * a.y}; }
inline float dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }
inline float length(Point a) { return std::sqrt(dot(a, a)); }

/// A closed polygon, or the points of an open line.
using Path = std::vector<Point>;

/// The closed Catmull-Rom spline through `controls`.
Path smooth_loop(const Path& controls);

/// The open Catmull-Rom spline through `controls`, both ends included.
Path smooth_line(const Path& controls);

/// `half`, and its mirror image at x = 0 in reverse order: a symmetric outline from its right half, top to
/// bottom.
Path mirrored(const Path& half);

/// The ellipse with the half axes `radius`.
Path ellipse(Point centre, Point radius);

/// The outline of a line of half width `radius` at its first point, `end_radius` at its last, with round
/// ends.
Path stroke(const Path& line, float radius, float end_radius);

/// How much of each pixel lies within a shape: 0 outside, 1 inside, between on its edge. It is stored for the
/// shape's bounding box alone.
struct Coverage {
  int x0 = 0;  ///< the box's left column in the canvas
  int y0 = 0;
  int width = 0;
  int height = 0;
  std::vector<float> alpha;  ///< [height, width]

  float* row(int y) { return alpha.data() + static_cast<std::ptrdiff_t>(y - y0) * width; }
  const float* row(int y) const { return alpha.data() + static_cast<std::ptrdiff_t>(y - y0) * width; }
};

/// The exact area that `outlines` (pixels) cover of every pixel of a canvas of width x height. An outline
/// that runs the other way round cuts a hole. `softness` is the reach in pixels of a blur of the edge.
Coverage cover(std::initializer_list<std::reference_wrapper<const Path>> outlines, int width, int height,
               float softness = 0);

/// Two box blurs of `radius` pixels in both directions: close to a triangle filter. Beyond the edge, its
/// pixels repeat.
void box_blur(float* pixels, int width, int height, int radius);

}  // namespace bauta::faces
