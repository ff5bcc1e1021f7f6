#include "engine/data/faces/stage.h"

#include <algorithm>
#include <cmath>

namespace bauta::faces {
namespace {

constexpr float kHeadHeight = 0.9F;  // of the middle of the face above the plane of the ears, in half widths

float smoothstep(float from, float to, float x) {
  const float t = std::clamp((x - from) / (to - from), 0.0F, 1.0F);
  return t * t * (3 - 2 * t);
}

/// How far the skin of an average face lies before the plane of the ears.
float skin_depth(Point p) {
  const float down = p.y < 0 ? 0.34F : 0.2F;
  return kHeadHeight * std::sqrt(std::max(0.03F, 1 - 0.85F * p.x * p.x - down * p.y * p.y));
}

/// The head's contour leans forward towards the chin.
Path turned_outline(const Stage& stage, const Path& outline) {
  Path path;
  path.reserve(outline.size());
  for (const Point p : outline) {
    const float depth = 0.5F * smoothstep(0.3F, 1.3F, p.y) * (1 - 0.7F * std::abs(p.x));
    path.push_back(stage.in_space(p, depth));
  }
  return path;
}

}  // namespace

Inflation::Inflation(const Path& outline, Point down, float height) : down_(down) {
  const Point across{down.y, -down.x};
  float bottom = -1e9F;
  top_ = 1e9F;
  for (const Point p : outline) {
    top_ = std::min(top_, dot(p, down));
    bottom = std::max(bottom, dot(p, down));
  }
  rows_per_pixel_ = kRows / std::max(bottom - top_, 1.0F);

  std::array<float, kRows + 1> left, right;
  left.fill(1e9F);
  right.fill(-1e9F);
  for (std::size_t i = 0; i < outline.size(); ++i) {
    const Point a = outline[i];
    const Point b = outline[(i + 1) % outline.size()];
    const float from = (dot(a, down) - top_) * rows_per_pixel_;
    const float to = (dot(b, down) - top_) * rows_per_pixel_;
    if (from == to) continue;
    const int last = static_cast<int>(std::max(from, to));
    for (int row = static_cast<int>(std::ceil(std::min(from, to))); row <= last; ++row) {
      const float t = (static_cast<float>(row) - from) / (to - from);
      const float u = dot(a, across) + t * (dot(b, across) - dot(a, across));
      const auto k = static_cast<std::size_t>(std::clamp(row, 0, kRows));
      left[k] = std::min(left[k], u);
      right[k] = std::max(right[k], u);
    }
  }
  float widest = 1;
  for (std::size_t k = 0; k <= kRows; ++k) widest = std::max(widest, right[k] - left[k]);
  for (std::size_t k = 0; k <= kRows; ++k) {
    const float width = std::max(right[k] - left[k], 1.0F);
    rows_[k] = {0.5F * (left[k] + right[k]), 2 / width, height * std::sqrt(width / widest)};
  }
}

Stage::Turn::Turn(const Pose& pose)
    : sin_yaw(std::sin(pose.yaw)),
      cos_yaw(std::cos(pose.yaw)),
      sin_pitch(std::sin(pose.pitch)),
      cos_pitch(std::cos(pose.pitch)),
      sin_roll(std::sin(pose.roll)),
      cos_roll(std::cos(pose.roll)) {}

Point Stage::Turn::operator()(Point p, float depth) const {
  const float x = p.x * cos_yaw + depth * sin_yaw;
  const float z = depth * cos_yaw - p.x * sin_yaw;
  const float y = p.y * cos_pitch + z * sin_pitch;
  return {x * cos_roll - y * sin_roll, x * sin_roll + y * cos_roll};
}

Stage::Stage(const Face& described)
    : turn_(described.pose),
      face(described),
      canvas(face.camera.width, face.camera.height),
      skull(turned_outline(*this, head_outline(face.head))),
      volume(skull, {-turn_.sin_roll, turn_.cos_roll}, kHeadHeight * unit()) {}

Point Stage::in_space(Point p, float depth) const { return face.camera.centre + unit() * turn_(p, depth); }

Point Stage::on_skin(Point p, float lift) const { return in_space(p, skin_depth(p) + lift); }

Path Stage::on_skin(const Path& path, float lift) const {
  Path pixels;
  pixels.reserve(path.size());
  for (const Point p : path) pixels.push_back(on_skin(p, lift));
  return pixels;
}

Path Stage::in_space(const Path& path, float depth) const {
  Path pixels;
  pixels.reserve(path.size());
  for (const Point p : path) pixels.push_back(in_space(p, depth));
  return pixels;
}

Frame Stage::frame(Point p, Point radius, float angle) const {
  constexpr float kStep = 0.05F;
  const Point centre = on_skin(p);
  const Point across = (1 / kStep) * (on_skin({p.x + kStep, p.y}) - centre);
  const Point down = (1 / kStep) * (on_skin({p.x, p.y + kStep}) - centre);
  const float c = std::cos(angle);
  const float s = std::sin(angle);
  return {centre, radius.x * (c * across + s * down), radius.y * (c * down - s * across)};
}

}  // namespace bauta::faces
