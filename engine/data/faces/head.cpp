#include "engine/data/faces/noise.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

void paint_ear(Stage& stage, float side) {
  const Colour skin = stage.face.head.skin;
  const float unit = stage.unit();
  const auto ear = [&](float size) {
    const Path outer{{0.97F, -0.2F}, {1.08F, -0.24F}, {1.14F, -0.1F},
                     {1.1F, 0.14F},  {1.03F, 0.32F},  {0.96F, 0.3F}};
    Path path;
    for (const Point p : outer)
      path.push_back({side * (1.03F + size * (p.x - 1.03F)), 0.04F + size * (p.y - 0.04F)});
    return stage.in_space(smooth_loop(path), -0.05F);
  };
  const Coverage whole = stage.canvas.cover(ear(1));
  stage.canvas.paint(whole, Colour{1.02F, 0.94F, 0.92F} * skin);
  stage.canvas.level(whole, [&](int, int) { return 0.22F * unit; });
  const Coverage inner = stage.canvas.cover(ear(0.62F), 0.05F * unit);
  stage.canvas.paint(inner, Colour{0.75F, 0.6F, 0.55F} * skin, 0.6F);
  stage.canvas.raise(inner, -0.08F * unit);
}

void paint_complexion(Stage& stage) {
  const Head& h = stage.face.head;
  Canvas& canvas = stage.canvas;
  const Colour red = Colour{1.05F, 0.68F, 0.66F} * h.skin;
  for (const float side : {-1.0F, 1.0F}) {
    canvas.tint(stage.frame({side * 0.52F, 0.32F}, {0.42F, 0.36F}), red, 0.15F + 0.55F * h.blush);
    canvas.tint(stage.frame({side * 0.42F, -0.06F}, {0.33F, 0.2F}), Colour{0.8F, 0.68F, 0.68F} * h.skin,
                0.45F);
  }
  canvas.tint(stage.frame({0, h.nose_length - 0.02F}, {0.22F, 0.2F}), red, 0.2F + 0.4F * h.blush);
  canvas.tint(stage.frame({0, -0.75F}, {0.6F, 0.4F}), 1.1F * h.skin, 0.4F);
}

/// The bones and folds that light makes visible.
void raise_relief(Stage& stage) {
  const Head& h = stage.face.head;
  Canvas& canvas = stage.canvas;
  const float unit = h.relief * stage.unit();
  for (const float side : {-1.0F, 1.0F}) {
    canvas.bump(stage.frame({side * 0.38F, -0.4F}, {0.46F, 0.17F}), 0.05F * unit);
    canvas.bump(stage.frame({side * 0.4F, -0.12F}, {0.34F, 0.24F}), -0.11F * unit);
    canvas.bump(stage.frame({side * 0.6F, 0.2F}, {0.38F, 0.26F}, side * -0.4F), 0.06F * unit);
    canvas.bump(stage.frame({side * 0.55F, 0.62F}, {0.25F, 0.3F}), -0.03F * unit);
    const Path fold = smooth_line({{side * 0.24F, 0.42F}, {side * 0.38F, 0.6F}, {side * 0.43F, 0.8F}});
    const Coverage line =
        canvas.cover(stroke(stage.on_skin(fold), 0.035F * unit, 0.02F * unit), 0.08F * unit);
    canvas.raise(line, -(0.02F + 0.05F * h.age) * unit);
    canvas.paint(line, Colour{0.75F, 0.62F, 0.58F} * h.skin, 0.12F + 0.25F * h.age);
  }
  canvas.bump(stage.frame({0, 0.75F}, {0.45F, 0.4F}), 0.08F * unit);
  canvas.bump(stage.frame({0, 0.98F}, {0.3F, 0.1F}), -0.04F * unit);
  canvas.bump(stage.frame({0, h.chin - 0.13F}, {0.3F, 0.2F}), 0.08F * unit);
}

void raise_nose(Stage& stage) {
  const Head& h = stage.face.head;
  Canvas& canvas = stage.canvas;
  const float unit = h.relief * stage.unit();
  const float tip = h.nose_length;
  const float width = h.nose_width;
  canvas.bump(stage.frame({0, tip - 0.3F}, {0.17F * width, 0.5F}), 0.17F * unit);
  canvas.bump(stage.frame({0, tip}, {0.19F * width, 0.18F}), 0.16F * unit);
  for (const float side : {-1.0F, 1.0F}) {
    canvas.bump(stage.frame({side * 0.16F * width, tip + 0.04F}, {0.12F, 0.12F}), 0.11F * unit);
    canvas.tint(stage.frame({side * 0.1F * width, tip + 0.11F}, {0.085F, 0.05F}, side * -0.3F),
                Colour{0.12F, 0.06F, 0.05F} * h.skin, 0.95F);
  }
  canvas.tint(stage.frame({0, tip + 0.15F}, {0.22F * width, 0.07F}), Colour{0.6F, 0.45F, 0.42F} * h.skin,
              0.6F);
}

}  // namespace

Path head_outline(const Head& h) {
  const float temple = 0.5F * (1 + h.forehead);
  return smooth_loop(mirrored({{0, -1.5F},
                               {0.5F, -1.38F},
                               {h.forehead, -0.92F},
                               {temple + 0.03F, -0.45F},
                               {1, 0},
                               {0.95F, 0.38F},
                               {h.jaw, 0.76F},
                               {0.5F * (h.jaw + h.chin_width), h.chin - 0.3F},
                               {h.chin_width, h.chin - 0.11F},
                               {0, h.chin}}));
}

void paint_head(Stage& stage) {
  Canvas& canvas = stage.canvas;
  const Head& h = stage.face.head;
  const float near_side = stage.face.pose.yaw > 0 ? -1.0F : 1.0F;
  paint_ear(stage, -near_side);
  paint_ear(stage, near_side);
  const Coverage skull = canvas.cover(stage.skull);
  const float place = stage.face.hair.noise;
  canvas.paint(skull, [&](int x, int y) {
    const Point p = stage.upright(x, y);
    return (1 + 0.07F * noise(5 * p.x + place, 5 * p.y)) * h.skin;
  });
  canvas.level(skull, [&](int x, int y) { return stage.volume(x, y); });
  if (std::abs(stage.face.pose.yaw) > 0.15F) paint_ear(stage, near_side);
  paint_complexion(stage);
  raise_relief(stage);
  raise_nose(stage);
}

}  // namespace bauta::faces
