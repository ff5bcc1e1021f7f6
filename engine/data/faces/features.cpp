#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

/// Points of an eye: u from -1 (inner corner) to 1 (outer), v in half widths of the head.
struct EyePlace {
  const Stage& stage;
  const Eyes& eyes;
  float side;

  Point operator()(float u, float v) const {
    return stage.on_skin({side * (eyes.spacing + eyes.size * u), -0.12F + v - eyes.slant * u}, -0.08F);
  }
  float upper_lid(float u) const { return -(1 - u * u) * (1.15F + 0.15F * u) * eyes.open; }
  float lower_lid(float u) const { return (1 - u * u) * 0.8F * eyes.open; }

  Path lid_line(float offset, bool upper) const {
    Path line;
    for (int i = -4; i <= 4; ++i) {
      const float u = 0.25F * static_cast<float>(i);
      line.push_back((*this)(u, (upper ? upper_lid(u) : lower_lid(u)) + offset));
    }
    return line;
  }
};

/// Keeps of `part` only what lies within `whole`.
void clip(Coverage& part, const Coverage& whole) {
  for (int y = part.y0; y < part.y0 + part.height; ++y) {
    float* alpha = part.row(y);
    const bool row_inside = y >= whole.y0 && y < whole.y0 + whole.height;
    for (int x = 0; x < part.width; ++x) {
      const int column = part.x0 + x - whole.x0;
      alpha[x] *= row_inside && column >= 0 && column < whole.width ? whole.row(y)[column] : 0;
    }
  }
}

void paint_eyeball(Stage& stage, const EyePlace& place) {
  const Eyes& e = stage.face.eyes;
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  Path opening = place.lid_line(0, true);
  const Path lower = place.lid_line(0, false);
  opening.insert(opening.end(), lower.rbegin(), lower.rend());
  const Coverage white = canvas.cover(opening);
  canvas.paint(white, mix(rgb(0xe8e0da), stage.face.head.skin, 0.25F));
  const Point pupil = place(place.side * 0.4F * e.gaze, -0.15F * e.open);
  const auto disc = [&](Colour colour, float radius, Point centre) {
    Coverage round = canvas.cover(ellipse(centre, {radius * unit, radius * unit}));
    clip(round, white);
    canvas.paint(round, colour);
  };
  disc(0.6F * e.iris, 0.098F, pupil);
  disc(e.iris, 0.08F, pupil);
  disc(rgb(0x0a0808), 0.042F, pupil);
  const Point glint = pupil + (0.035F * unit) * Point{stage.face.light.x > 0 ? 1.0F : -1.0F, -1};
  disc(rgb(0xffffff), 0.022F, glint);
}

void paint_eye(Stage& stage, float side) {
  const Eyes& e = stage.face.eyes;
  const Colour skin = stage.face.head.skin;
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  const EyePlace place{stage, e, side};
  canvas.bump(stage.frame({side * e.spacing, -0.12F}, {1.2F * e.size, 0.15F}), 0.05F * unit);
  canvas.tint(stage.frame({side * e.spacing, -0.22F}, {1.25F * e.size, 0.13F}),
              mix(Colour{0.65F, 0.5F, 0.48F} * skin, rgb(0x503050), 0.5F * e.makeup), 0.4F + 0.3F * e.makeup);
  if (e.open > 0) paint_eyeball(stage, place);

  const Colour lash = mix(0.12F * skin, rgb(0x100a08), 0.4F + 0.6F * e.makeup);
  canvas.paint(
      canvas.cover(stroke(place.lid_line(-0.005F, true), 0.014F * unit, (0.02F + 0.012F * e.makeup) * unit)),
      lash, 0.9F);
  canvas.paint(canvas.cover(stroke(place.lid_line(0.008F, false), 0.007F * unit, 0.012F * unit)),
               Colour{0.5F, 0.35F, 0.33F} * skin, 0.6F);
  canvas.paint(canvas.cover(stroke(place.lid_line(-0.055F, true), 0.01F * unit, 0.008F * unit), 0.02F * unit),
               Colour{0.4F, 0.3F, 0.28F} * skin, 0.6F);
  canvas.paint(canvas.cover(stroke(place.lid_line(0.07F, false), 0.01F * unit, 0.01F * unit), 0.04F * unit),
               Colour{0.6F, 0.48F, 0.46F} * skin, 0.2F + 0.5F * stage.face.head.age);
}

void paint_brow(Stage& stage, float side) {
  const Eyes& e = stage.face.eyes;
  const float y = e.brow_height;
  const Path line = smooth_line({{side * 0.17F, y + 0.03F},
                                 {side * 0.38F, y - 0.4F * e.brow_arch},
                                 {side * 0.55F, y - e.brow_arch},
                                 {side * 0.7F, y + 0.04F}});
  const float radius = e.brow_thickness * stage.unit();
  stage.canvas.paint(
      stage.canvas.cover(stroke(stage.on_skin(line, 0.03F), radius, 0.35F * radius), 0.8F * radius), e.brow,
      0.85F);
}

/// The lips' four lines from the picture's left corner to its right one, from top to bottom.
struct LipLines {
  Path outer_top, inner_top, inner_bottom, outer_bottom;
};

LipLines lip_lines(const Stage& stage) {
  const Mouth& m = stage.face.mouth;
  const auto line = [&](float middle, float cupid) {
    const float corner = m.y - m.smile;
    return stage.on_skin(smooth_line({{-m.width, corner},
                                      {-0.55F * m.width, 0.35F * corner + 0.65F * (m.y + middle)},
                                      {-0.16F * m.width, m.y + middle - cupid},
                                      {0, m.y + middle + 0.3F * cupid},
                                      {0.16F * m.width, m.y + middle - cupid},
                                      {0.55F * m.width, 0.35F * corner + 0.65F * (m.y + middle)},
                                      {m.width, corner}}),
                         0.1F);
  };
  const float fullness = 0.085F * m.fullness;
  return {line(-fullness - 0.5F * m.open, 0.02F), line(-0.5F * m.open, 0.004F), line(m.open + 0.004F, 0),
          line(m.open + 1.25F * fullness, 0)};
}

Path between(const Path& top, const Path& bottom) {
  Path path = top;
  path.insert(path.end(), bottom.rbegin(), bottom.rend());
  return path;
}

void paint_mouth(Stage& stage) {
  const Mouth& m = stage.face.mouth;
  const Colour skin = stage.face.head.skin;
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  const LipLines lines = lip_lines(stage);
  const Coverage upper = canvas.cover(between(lines.outer_top, lines.inner_top), 0.03F * unit);
  const Coverage lower = canvas.cover(between(lines.inner_bottom, lines.outer_bottom), 0.03F * unit);
  canvas.paint(upper, 0.8F * m.lips);
  canvas.raise(upper, 0.04F * unit);
  canvas.paint(lower, m.lips);
  canvas.raise(lower, 0.05F * unit);
  if (m.open > 0.01F) {
    const Coverage inside = canvas.cover(between(lines.inner_top, lines.inner_bottom));
    canvas.paint(inside, rgb(0x2c1212));
    canvas.raise(inside, -0.06F * unit);
    Coverage teeth = canvas.cover(
        stage.on_skin(ellipse({0, m.y - 0.45F * m.open}, {0.72F * m.width, 0.85F * m.open}), 0.08F));
    clip(teeth, inside);
    canvas.paint(teeth, rgb(0xe6ddd0), 0.92F);
  } else {
    canvas.paint(canvas.cover(stroke(lines.inner_top, 0.014F * unit, 0.014F * unit)), 0.3F * m.lips, 0.9F);
  }
  for (const float side : {-1.0F, 1.0F}) {
    canvas.tint(stage.frame({side * (m.width + 0.02F), m.y - m.smile}, {0.08F, 0.07F}),
                Colour{0.5F, 0.38F, 0.35F} * skin, 0.6F);
  }
}

}  // namespace

void paint_features(Stage& stage) {
  for (const float side : {-1.0F, 1.0F}) {
    paint_eye(stage, side);
    paint_brow(stage, side);
  }
  paint_mouth(stage);
}

}  // namespace bauta::faces
