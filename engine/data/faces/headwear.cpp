#include "engine/data/faces/noise.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

void paint_fabric(Stage& stage, const Path& outline, const Coverage& coverage, Colour colour, float height,
                  float folds) {
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  const float place = stage.face.headwear.noise;
  const Inflation volume(outline, {0, 1}, height * unit);
  canvas.level(coverage, [&](int x, int y) { return volume(x, y); });
  canvas.paint_rough(coverage, [&](int x, int y) {
    const Point p = stage.upright(x, y);
    const float fold = noise(2 * p.x + place, 2.5F * p.y);
    return Surface{(1 + 0.08F * fold) * colour, folds * unit * fold};
  });
}

/// Covers the skull above `brim`, `thickness` outside of it.
Path dome(float brim, float thickness, float sag) {
  return mirrored({{0, -1.56F - thickness},
                   {0.55F, -1.42F - thickness},
                   {0.98F + 0.5F * thickness, -0.95F},
                   {1.05F + 0.5F * thickness, brim + 0.1F},
                   {0.95F, brim + 0.16F},
                   {0.5F, brim + sag},
                   {0, brim + sag}});
}

void paint_cap(Stage& stage) {
  const Headwear& h = stage.face.headwear;
  Canvas& canvas = stage.canvas;
  const Path crown = stage.in_space(smooth_loop(dome(h.brim - 0.1F, 0.12F, 0)), 0.25F);
  paint_fabric(stage, crown, canvas.cover(crown), h.colour, 1.05F, 0.01F);
  const Path visor = stage.on_skin(smooth_loop(mirrored({{0, h.brim - 0.2F},
                                                         {0.5F, h.brim - 0.17F},
                                                         {0.85F, h.brim},
                                                         {0.9F, h.brim + 0.16F},
                                                         {0.5F, h.brim + 0.16F},
                                                         {0, h.brim + 0.18F}})),
                                   0.3F);
  const Coverage part = canvas.cover(visor);
  paint_fabric(stage, visor, part, h.trim, 1.35F, 0);
  const Path badge = stage.on_skin(ellipse({0, h.brim - 0.5F}, {0.2F, 0.14F}), 0.2F);
  canvas.paint(canvas.cover(badge), h.trim);
}

void paint_beanie(Stage& stage) {
  const Headwear& h = stage.face.headwear;
  Canvas& canvas = stage.canvas;
  const Path crown = stage.in_space(smooth_loop(dome(h.brim, 0.25F, 0.02F)), 0.15F);
  paint_fabric(stage, crown, canvas.cover(crown), h.colour, 1.05F, 0.03F);
  const Path band = stage.in_space(smooth_loop(mirrored({{0, h.brim - 0.26F},
                                                         {0.6F, h.brim - 0.24F},
                                                         {1.05F, h.brim - 0.16F},
                                                         {1.1F, h.brim + 0.1F},
                                                         {0.95F, h.brim + 0.18F},
                                                         {0.5F, h.brim + 0.06F},
                                                         {0, h.brim + 0.04F}})),
                                   0.3F);
  const Coverage part = canvas.cover(band);
  paint_fabric(stage, band, part, h.trim, 1.12F, 0.02F);
}

void paint_helmet(Stage& stage) {
  const Headwear& h = stage.face.headwear;
  Canvas& canvas = stage.canvas;
  const Path shell = stage.in_space(smooth_loop(dome(h.brim - 0.05F, 0.3F, -0.06F)), 0.15F);
  paint_fabric(stage, shell, canvas.cover(shell), h.colour, 1.15F, 0);
  canvas.tint(stage.frame({-0.3F, -1.2F}, {0.3F, 0.25F}), rgb(0xffffff), 0.7F);
  const Path rim = stage.on_skin(
      smooth_line({{-1, h.brim + 0.06F}, {-0.5F, h.brim - 0.1F}, {0.5F, h.brim - 0.1F}, {1, h.brim + 0.06F}}),
      0.25F);
  const Coverage line = canvas.cover(stroke(rim, 0.05F * stage.unit(), 0.05F * stage.unit()));
  canvas.paint(line, h.trim);
  canvas.raise(line, 0.1F * stage.unit());
}

/// Headscarf and hood: cloth around an opening for the face.
void paint_wrap(Stage& stage, bool tight) {
  const Headwear& h = stage.face.headwear;
  const Head& head = stage.face.head;
  const float margin = tight ? 0 : 0.14F;
  const Path outline = stage.in_space(smooth_loop(mirrored({{0, -1.72F - margin},
                                                            {0.7F, -1.5F - margin},
                                                            {1.15F + margin, -0.8F},
                                                            {1.22F + margin, 0.2F},
                                                            {1.15F + margin, 1},
                                                            {1.25F + margin, 1.9F},
                                                            {0.8F, 2.6F},
                                                            {0, 2.7F}})),
                                      0.05F);
  const Path opening = stage.on_skin(smooth_loop(mirrored({{0, h.brim - 0.3F - margin},
                                                           {0.5F, h.brim - 0.18F - margin},
                                                           {0.82F + 0.5F * margin, -0.35F},
                                                           {0.86F + 0.5F * margin, 0.2F},
                                                           {0.74F + margin, 0.85F},
                                                           {0.4F + margin, head.chin - 0.1F},
                                                           {0, head.chin + 0.02F + margin}})),
                                     0.02F);
  const Coverage cloth = stage.canvas.cover(outline, opening);
  paint_fabric(stage, outline, cloth, h.colour, 1.0F, tight ? 0.06F : 0.1F);
  Path edge = opening;
  edge.push_back(opening.front());
  const Coverage hem = stage.canvas.cover(stroke(edge, 0.035F * stage.unit(), 0.035F * stage.unit()));
  stage.canvas.paint(hem, tight ? 0.9F * h.colour : h.trim);
  stage.canvas.raise(hem, 0.06F * stage.unit());
}

}  // namespace

void paint_headwear(Stage& stage) {
  switch (stage.face.headwear.style) {
    case HeadwearStyle::none:
      return;
    case HeadwearStyle::cap:
      return paint_cap(stage);
    case HeadwearStyle::beanie:
      return paint_beanie(stage);
    case HeadwearStyle::headscarf:
      return paint_wrap(stage, true);
    case HeadwearStyle::hood:
      return paint_wrap(stage, false);
    case HeadwearStyle::helmet:
      return paint_helmet(stage);
  }
}

}  // namespace bauta::faces
