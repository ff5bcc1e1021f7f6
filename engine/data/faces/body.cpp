#include "engine/data/faces/noise.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

/// Shapes of the body do not turn with the head: lengths in half widths of the head from Camera::centre.
Path upright_shape(const Stage& stage, const Path& path) {
  const float lean = 0.3F * stage.face.pose.roll;
  Path pixels;
  for (const Point p : path)
    pixels.push_back(stage.face.camera.centre + stage.unit() * Point{p.x - lean * p.y, p.y});
  return pixels;
}

void paint_cloth(Stage& stage, const Coverage& coverage, Colour colour, float place) {
  const float unit = stage.unit();
  stage.canvas.paint_rough(coverage, [&](int x, int y) {
    const Point p = stage.upright(x, y);
    const float fold = noise(2.5F * p.x + place, 1.5F * p.y + place);
    return Surface{(1 + 0.1F * fold) * colour, 0.12F * unit * fold};
  });
}

void paint_neck(Stage& stage) {
  Canvas& canvas = stage.canvas;
  const Path outline = upright_shape(
      stage,
      smooth_loop(mirrored({{0, 0.5F}, {0.62F, 0.5F}, {0.62F, 1.5F}, {0.8F, 2}, {0.6F, 2.6F}, {0, 2.8F}})));
  const Coverage neck = canvas.cover(outline);
  const Inflation volume(outline, {0, 1}, 0.35F * stage.unit());
  canvas.paint(neck, Colour{0.86F, 0.8F, 0.78F} * stage.face.head.skin);
  canvas.level(neck, [&](int x, int y) { return volume(x, y); });
}

}  // namespace

void paint_body(Stage& stage) {
  const Clothes& c = stage.face.clothes;
  Canvas& canvas = stage.canvas;
  paint_neck(stage);
  const float collar = c.kind == 2 ? 1.5F : 1.95F;
  const Path shoulders = upright_shape(stage, smooth_loop({{0, collar + 0.2F},
                                                           {0.6F, collar},
                                                           {0.9F, collar + 0.12F},
                                                           {1.9F, 2.3F},
                                                           {2.5F, 2.8F},
                                                           {2.7F, 4},
                                                           {-2.7F, 4},
                                                           {-2.5F, 2.8F},
                                                           {-1.9F, 2.3F},
                                                           {-0.9F, collar + 0.12F},
                                                           {-0.6F, collar}}));
  const Coverage cloth = canvas.cover(shoulders);
  canvas.level(cloth, [&](int, int) { return 0.4F * stage.unit(); });
  paint_cloth(stage, cloth, c.colour, c.noise);
  if (c.kind != 1) return;
  for (const float side : {-1.0F, 1.0F}) {
    const Path wing = upright_shape(
        stage,
        {{side * 0.66F, 1.55F}, {side * 0.8F, 1.8F}, {side * 0.5F, 2.5F}, {0, 2.05F}, {side * 0.4F, 1.85F}});
    const Coverage part = canvas.cover(wing);
    canvas.raise(part, 0.12F * stage.unit());
    paint_cloth(stage, part, c.collar, c.noise);
  }
}

void paint_scarf(Stage& stage) {
  const Clothes& c = stage.face.clothes;
  if (!c.scarf) return;
  Canvas& canvas = stage.canvas;
  const float top = stage.face.head.chin - 0.28F;
  const Path outline = upright_shape(stage, smooth_loop(mirrored({{0, top + 0.22F},
                                                                  {0.5F, top + 0.1F},
                                                                  {0.95F, top - 0.05F},
                                                                  {1.2F, top + 0.3F},
                                                                  {1.1F, 2.1F},
                                                                  {0.5F, 2.3F},
                                                                  {0, 2.4F}})));
  const Coverage scarf = canvas.cover(outline);
  const Inflation volume(outline, {0, 1}, 0.95F * stage.unit());
  canvas.level(scarf, [&](int x, int y) { return volume(x, y); });
  paint_cloth(stage, scarf, c.scarf_colour, c.noise + 40);
}

}  // namespace bauta::faces
