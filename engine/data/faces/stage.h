#pragma once

#include <array>

#include "engine/data/faces/canvas.h"
#include "engine/data/faces/face.h"
#include "engine/data/faces/shapes.h"

namespace bauta::faces {

/// Heights of a body as if its outline had been blown up: round across, and lower where the body is narrow.
class Inflation {
 public:
  /// `outline` in pixels; rows are taken at right angles to the direction `down` (a unit vector). `height` is
  /// that of the widest row's middle, pixels.
  Inflation(const Path& outline, Point down, float height);

  /// Pixels above the plane of the outline; 0 beyond it.
  float operator()(int x, int y) const;

 private:
  static constexpr int kRows = 48;
  struct Row {
    float middle = 0;
    float inverse_half_width = 0;
    float height = 0;
  };
  Point down_;
  float top_ = 0;
  float rows_per_pixel_ = 0;
  std::array<Row, kRows + 1> rows_;
};

/// A canvas with a head on it: places on the head become pixels.
class Stage {
  // First, because the skull's outline is made with it.
  struct Turn {
    explicit Turn(const Pose& pose);
    Point operator()(Point p, float depth) const;

    float sin_yaw, cos_yaw, sin_pitch, cos_pitch, sin_roll, cos_roll;
  };
  Turn turn_;

 public:
  explicit Stage(const Face& face);

  /// The pixel of a point `lift` above the skin at (x, y), lengths in half widths of the head.
  Point on_skin(Point p, float lift = 0) const;
  Path on_skin(const Path& path, float lift = 0) const;

  /// The pixel of a point that lies `depth` before the middle of the head (behind it when negative).
  Point in_space(Point p, float depth) const;
  Path in_space(const Path& path, float depth) const;

  /// The ellipse on the skin around `p` with half axes `radius`, turned by `angle`.
  Frame frame(Point p, Point radius, float angle = 0) const;

  /// Where the pixel lies in the head's upright frame: (0, 0) is Camera::centre, lengths in half widths.
  Point upright(int x, int y) const;

  /// Pixels in one half width of the head.
  float unit() const { return face.camera.scale; }

  /// Fills `outline` with hair or fur, whose strands fall from `root` (upright frame); see hair.cpp.
  void paint_strands(const Coverage& coverage, Colour colour, Point root, float curl, float place);

  const Face& face;
  Canvas canvas;
  Path skull;        ///< the head's outline without ears and hair, pixels
  Inflation volume;  ///< its heights
};

inline float Inflation::operator()(int x, int y) const {
  const Point p{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F};
  const float position =
      std::clamp((dot(p, down_) - top_) * rows_per_pixel_, 0.0F, static_cast<float>(kRows) - 0.01F);
  const auto k = static_cast<std::size_t>(position);
  const float t = position - static_cast<float>(k);
  const auto between = [t](float a, float b) { return a + t * (b - a); };
  const Row& a = rows_[k];
  const Row& b = rows_[k + 1];
  const float u = p.x * down_.y - p.y * down_.x - between(a.middle, b.middle);
  const float s = u * between(a.inverse_half_width, b.inverse_half_width);
  // Flatter in front than a circle, as faces are.
  return between(a.height, b.height) * std::sqrt(std::max(0.0F, 1 - s * s * (0.4F + 0.6F * s * s)));
}

inline Point Stage::upright(int x, int y) const {
  const Point p = Point{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F} - face.camera.centre;
  return (1 / unit()) *
         Point{p.x * turn_.cos_roll + p.y * turn_.sin_roll, p.y * turn_.cos_roll - p.x * turn_.sin_roll};
}

/// The skull's outline from the front.
Path head_outline(const Head& head);

/// The painters, in the order in which they work: what comes later covers what was there.
void paint_back_hair(Stage& stage);
void paint_body(Stage& stage);
void paint_head(Stage& stage);
void paint_features(Stage& stage);
void paint_beard(Stage& stage);
void paint_mask(Stage& stage);
void paint_hair(Stage& stage);
void paint_scarf(Stage& stage);
void paint_headwear(Stage& stage);
void paint_glasses(Stage& stage);
void paint_obstacle(Stage& stage);

}  // namespace bauta::faces
