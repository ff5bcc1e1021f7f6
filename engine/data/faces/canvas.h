#pragma once

#include <algorithm>
#include <vector>

#include "engine/data/faces/shapes.h"

namespace bauta::faces {

/// Linear light or reflectance, 0 to 1.
struct Colour {
  float r = 0;
  float g = 0;
  float b = 0;
};

inline Colour operator*(float s, Colour c) { return {s * c.r, s * c.g, s * c.b}; }
inline Colour operator*(Colour a, Colour b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
inline Colour operator+(Colour a, Colour b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
inline Colour mix(Colour a, Colour b, float t) { return (1 - t) * a + t * b; }

/// The colour written 0xRRGGBB; a display's gamma is taken as 2, here and in the camera.
constexpr Colour rgb(unsigned hex) {
  const auto linear = [](unsigned byte) {
    const float value = static_cast<float>(byte & 255U) / 255.0F;
    return value * value;
  };
  return {linear(hex >> 16U), linear(hex >> 8U), linear(hex)};
}

/// An ellipse given by its centre and its two half axes, in pixels.
struct Frame {
  Point centre;
  Point across;
  Point down;
};

/// A place of a rough surface.
struct Surface {
  Colour colour;
  float lift;  ///< pixels above its surroundings
};

/// A pixel of linear light, and how much of it is not background.
struct alignas(16) Texel {
  float r = 0;
  float g = 0;
  float b = 0;
  float solid = 0;
};

/// A picture in linear light.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<Texel> texels;  ///< [height, width]
};

/// What the painters leave for the light: per pixel the reflectance, the height above the picture plane, and
/// how much of the pixel is not background.
class Canvas {
 public:
  Canvas(int width, int height)
      : texels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height)),
        relief(texels.size()),
        width_(width),
        height_(height) {}

  int width() const { return width_; }
  int height() const { return height_; }
  std::size_t at(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x);
  }

  /// See faces::cover.
  Coverage cover(const Path& outline, float softness = 0) const {
    return faces::cover({outline}, width_, height_, softness);
  }
  Coverage cover(const Path& outline, const Path& hole, float softness = 0) const {
    const Path reversed(hole.rbegin(), hole.rend());
    return faces::cover({outline, reversed}, width_, height_, softness);
  }

  /// Lays colour(x, y) over the canvas.
  template <class Shade>
  void paint(const Coverage& coverage, Shade&& colour) {
    for_each(coverage, [&](std::size_t i, int x, int y, float alpha) { blend(i, colour(x, y), alpha); });
  }
  void paint(const Coverage& coverage, Colour colour, float opacity = 1) {
    for_each(coverage, [&](std::size_t i, int, int, float alpha) { blend(i, colour, opacity * alpha); });
  }

  /// Lays a rough surface over the canvas: adds surface(x, y).lift pixels to the relief as well.
  template <class Texture>
  void paint_rough(const Coverage& coverage, Texture&& surface) {
    for_each(coverage, [&](std::size_t i, int x, int y, float alpha) {
      const Surface s = surface(x, y);
      blend(i, s.colour, alpha);
      relief[i] += alpha * s.lift;
    });
  }

  /// Sets the relief to height(x, y) pixels.
  template <class Height>
  void level(const Coverage& coverage, Height&& height) {
    for_each(coverage, [&](std::size_t i, int x, int y, float alpha) {
      relief[i] += alpha * (height(x, y) - relief[i]);
    });
  }
  /// Adds `pixels` to the relief.
  void raise(const Coverage& coverage, float pixels) {
    for_each(coverage, [&](std::size_t i, int, int, float alpha) { relief[i] += alpha * pixels; });
  }

  /// Adds a soft bump of `pixels` at its middle to the relief (a dent when negative).
  void bump(const Frame& frame, float pixels) {
    for_ellipse(frame, [&](std::size_t i, float weight) { relief[i] += weight * pixels; });
  }
  /// Mixes `colour` in, `opacity` at the middle and fading to nothing at the ellipse's edge.
  void tint(const Frame& frame, Colour colour, float opacity) {
    for_ellipse(frame, [&](std::size_t i, float weight) { blend(i, colour, weight * opacity); });
  }

  std::vector<Texel> texels;  ///< [height, width]; reflectances until the light falls on them
  std::vector<float> relief;  ///< [height, width], pixels

 private:
  void blend(std::size_t i, Colour colour, float alpha) {
    Texel& t = texels[i];
    t.r += alpha * (colour.r - t.r);
    t.g += alpha * (colour.g - t.g);
    t.b += alpha * (colour.b - t.b);
    t.solid += alpha * (1 - t.solid);
  }

  template <class Body>
  void for_each(const Coverage& coverage, Body&& body) {
    for (int y = coverage.y0; y < coverage.y0 + coverage.height; ++y) {
      const float* alpha = coverage.row(y);
      const std::size_t row = at(coverage.x0, y);
      for (int x = 0; x < coverage.width; ++x) {
        if (alpha[x] > 0) body(row + static_cast<std::size_t>(x), coverage.x0 + x, y, alpha[x]);
      }
    }
  }

  template <class Body>
  void for_ellipse(const Frame& frame, Body&& body);

  int width_, height_;
};

template <class Body>
void Canvas::for_ellipse(const Frame& frame, Body&& body) {
  const float determinant = frame.across.x * frame.down.y - frame.across.y * frame.down.x;
  if (std::abs(determinant) < 1e-6F) return;
  const float reach_x = std::abs(frame.across.x) + std::abs(frame.down.x);
  const float reach_y = std::abs(frame.across.y) + std::abs(frame.down.y);
  const auto within = [](float v, int size) { return std::clamp(static_cast<int>(v), 0, size); };
  const int x_end = within(frame.centre.x + reach_x + 1, width_);
  const int y_end = within(frame.centre.y + reach_y + 1, height_);
  for (int y = within(frame.centre.y - reach_y, height_); y < y_end; ++y) {
    for (int x = within(frame.centre.x - reach_x, width_); x < x_end; ++x) {
      const Point p = Point{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F} - frame.centre;
      const float u = (p.x * frame.down.y - p.y * frame.down.x) / determinant;
      const float v = (p.y * frame.across.x - p.x * frame.across.y) / determinant;
      const float rest = 1 - u * u - v * v;
      if (rest > 0) body(at(x, y), rest * rest);
    }
  }
}

}  // namespace bauta::faces
