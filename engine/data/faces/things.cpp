#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

/// A rounded lens: a square that turns into an ellipse.
Path lens_outline(const Glasses& g, float side) {
  const float x = g.width + 0.115F;
  const float k = 0.72F + 0.24F * (1 - g.roundness);
  Path path{{1, 0}, {k, k}, {0, 1}, {-k, k}, {-1, 0}, {-k, -k}, {0, -1}, {k, -k}};
  for (Point& p : path) p = {side * x + g.width * p.x, -0.09F + g.height * p.y};
  return smooth_loop(path);
}

void paint_lens(Stage& stage, float side) {
  const Glasses& g = stage.face.glasses;
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  Path outline = stage.on_skin(lens_outline(g, side), 0.12F);
  const Coverage lens = canvas.cover(outline);
  if (g.style == GlassesStyle::sunglasses) {
    canvas.paint(lens, g.lens, 0.95F);
    canvas.level(lens, [&](int x, int y) { return stage.volume(x, y) + 0.15F * unit; });
  }
  canvas.paint(lens, rgb(0xf2f6ff), 0.12F * g.glare);
  const float glare_x = side * (g.width + 0.115F) - 0.3F * g.width;
  canvas.tint(stage.frame({glare_x, -0.09F - 0.4F * g.height}, {0.5F * g.width, 0.3F * g.height}, -0.4F),
              rgb(0xffffff), 0.5F * g.glare);
  outline.push_back(outline.front());
  const float radius = (g.style == GlassesStyle::rimless ? 0.008F : g.thickness) * unit;
  const Coverage rim = canvas.cover(stroke(outline, radius, radius));
  canvas.paint(rim, g.frame, g.style == GlassesStyle::rimless ? 0.6F : 1);
  canvas.raise(rim, 0.05F * unit);
}

/// A round bar such as a finger or an arm.
void paint_bar(Stage& stage, const Path& line, float radius, float end_radius, Colour colour, float height) {
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  const Path outline = stroke(line, radius * unit, end_radius * unit);
  const Point along = line.back() - line.front();
  const Inflation volume(outline, (1 / std::max(length(along), 1e-3F)) * along, radius * unit);
  const Coverage bar = canvas.cover(outline);
  canvas.paint(bar, colour);
  canvas.level(bar, [&](int x, int y) { return height * unit + volume(x, y); });
}

void paint_block(Stage& stage, const Path& outline, Colour colour, float height, float thickness) {
  Canvas& canvas = stage.canvas;
  const Inflation volume(outline, {0, 1}, thickness * stage.unit());
  const Coverage block = canvas.cover(outline);
  canvas.paint(block, colour);
  canvas.level(block, [&](int x, int y) { return height * stage.unit() + volume(x, y); });
}

/// Points around the obstacle's place, turned by its angle, in pixels before the face.
Path before_face(const Stage& stage, const Path& path) {
  const Obstacle& o = stage.face.obstacle;
  const float c = std::cos(o.angle) * o.size;
  const float s = std::sin(o.angle) * o.size;
  Path placed;
  for (const Point p : path) placed.push_back({o.at.x + c * p.x - s * p.y, o.at.y + s * p.x + c * p.y});
  return stage.in_space(placed, 1.1F);
}

void paint_fingers(Stage& stage, Point first, Point step, Point direction, float height) {
  const Colour skin = Colour{1.02F, 0.95F, 0.93F} * stage.face.head.skin;
  for (int i = 0; i < 4; ++i) {
    const auto k = static_cast<float>(i);
    const float reach = 1 - 0.12F * std::abs(k - 1.3F);
    const Point root = first + k * step;
    const Path line =
        smooth_line({root, root + (0.5F * reach) * direction + Point{0, -0.03F}, root + reach * direction});
    paint_bar(stage, before_face(stage, line), 0.12F, 0.09F, (1 - 0.02F * k) * skin, height);
  }
}

/// Flat over the mouth: palm at the side, fingers across.
void paint_hand(Stage& stage) {
  const float side = stage.face.obstacle.side;
  const Colour skin = stage.face.head.skin;
  const Path palm{{side * 0.95F, -0.36F},
                  {side * 1.2F, 0.3F},
                  {side * 0.9F, 0.45F},
                  {side * 0.3F, 0.38F},
                  {side * 0.25F, -0.28F}};
  paint_bar(stage, before_face(stage, {{side * 1.0F, 0.2F}, {side * 1.3F, 2.2F}}), 0.36F, 0.42F, skin, 0.75F);
  paint_block(stage, before_face(stage, smooth_loop(palm)), skin, 0.95F, 0.2F);
  paint_fingers(stage, {side * 0.4F, -0.24F}, {0.02F * side, 0.17F}, {side * -0.95F, -0.05F}, 1.02F);
}

/// Knuckles before the mouth, the arm from below.
void paint_fist(Stage& stage) {
  const float side = stage.face.obstacle.side;
  const Colour skin = stage.face.head.skin;
  const Path fist{{-0.42F, -0.2F}, {0.42F, -0.22F}, {0.46F, 0.3F}, {0, 0.5F}, {-0.46F, 0.28F}};
  paint_bar(stage, before_face(stage, {{0, 0.3F}, {side * 0.3F, 2}}), 0.34F, 0.4F, skin, 0.8F);
  paint_block(stage, before_face(stage, smooth_loop(fist)), skin, 1.0F, 0.22F);
  paint_fingers(stage, {-0.33F, -0.16F}, {0.22F, 0}, {0, 0.36F}, 1.08F);
}

void paint_cup(Stage& stage) {
  const Obstacle& o = stage.face.obstacle;
  paint_block(stage, before_face(stage, {{-0.36F, -0.1F}, {0.36F, -0.1F}, {0.28F, 0.95F}, {-0.28F, 0.95F}}),
              o.colour, 1.0F, 0.3F);
  paint_block(stage,
              before_face(stage, {{-0.39F, -0.16F}, {0.39F, -0.16F}, {0.39F, -0.04F}, {-0.39F, -0.04F}}),
              mix(o.colour, rgb(0xffffff), 0.7F), 1.04F, 0.32F);
  paint_fingers(stage, {o.side * 0.5F, 0.12F}, {0, 0.19F}, {o.side * -0.6F, 0.02F}, 1.2F);
}

void paint_microphone(Stage& stage) {
  const Obstacle& o = stage.face.obstacle;
  paint_bar(stage, before_face(stage, {{0, 0.2F}, {o.side * 0.25F, 1.6F}}), 0.13F, 0.11F, rgb(0x1a1a1c),
            1.1F);
  paint_block(stage, before_face(stage, ellipse({0, 0.1F}, {0.25F, 0.28F})),
              mix(o.colour, rgb(0x242426), 0.7F), 1.15F, 0.25F);
  paint_fingers(stage, {o.side * 0.35F, 0.6F}, {0, 0.19F}, {o.side * -0.5F, 0.02F}, 1.15F);
}

void paint_phone(Stage& stage) {
  const Obstacle& o = stage.face.obstacle;
  paint_block(
      stage,
      before_face(
          stage,
          {{-0.36F, -0.05F}, {0.36F, -0.05F}, {0.38F, 0}, {0.38F, 1.35F}, {-0.38F, 1.35F}, {-0.38F, 0}}),
      o.colour, 1.1F, 0.08F);
  paint_block(stage, before_face(stage, ellipse({-0.22F, 0.12F}, {0.08F, 0.08F})), rgb(0x101012), 1.2F,
              0.02F);
  paint_fingers(stage, {o.side * 0.52F, 0.45F}, {0, 0.19F}, {o.side * -0.5F, 0}, 1.2F);
}

}  // namespace

void paint_glasses(Stage& stage) {
  const Glasses& g = stage.face.glasses;
  if (g.style == GlassesStyle::none) return;
  const float unit = stage.unit();
  const auto bar = [&](const Path& line, float lift) {
    const float radius = 0.8F * g.thickness * unit;
    const Coverage part = stage.canvas.cover(stroke(stage.on_skin(line, lift), radius, radius));
    stage.canvas.paint(part, g.frame);
    stage.canvas.raise(part, 0.04F * unit);
  };
  bar(smooth_line({{-0.13F, -0.12F}, {0, -0.17F}, {0.13F, -0.12F}}), 0.2F);
  for (const float side : {-1.0F, 1.0F}) {
    bar({{side * (2 * g.width + 0.1F), -0.16F}, {side * 1.0F, -0.13F}}, 0.08F);
    paint_lens(stage, side);
  }
}

void paint_obstacle(Stage& stage) {
  switch (stage.face.obstacle.kind) {
    case ObstacleKind::none:
      return;
    case ObstacleKind::hand:
      return paint_hand(stage);
    case ObstacleKind::fist:
      return paint_fist(stage);
    case ObstacleKind::cup:
      return paint_cup(stage);
    case ObstacleKind::microphone:
      return paint_microphone(stage);
    case ObstacleKind::phone:
      return paint_phone(stage);
  }
}

}  // namespace bauta::faces
