#include <array>

#include "engine/data/faces/noise.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

constexpr std::array kMedical{rgb(0xa9d3e6), rgb(0xcfe4ee), rgb(0x7fb7dd), rgb(0xf4f6f6), rgb(0xe9eef2),
                              rgb(0x9fd4c4), rgb(0x4f8f8a), rgb(0xf0c4cd), rgb(0x2a2b2e)};

/// An outline's right half, top to bottom: x as a share of the side, y as a share of the way from top to
/// bottom.
Path relative_outline(MaskKind kind) {
  switch (kind) {
    case MaskKind::surgical:
      return {{0, 0},     {0.25F, 0.035F}, {0.6F, 0.12F},  {0.97F, 0.17F}, {1, 0.3F},
              {1, 0.58F}, {0.82F, 0.78F},  {0.45F, 0.97F}, {0, 1}};
    case MaskKind::folded_respirator:
      return {{0, -0.04F},   {0.16F, 0.02F}, {0.5F, 0.16F}, {0.96F, 0.3F}, {1, 0.4F},
              {0.9F, 0.55F}, {0.55F, 0.85F}, {0.14F, 1},    {0, 1.01F}};
    case MaskKind::cup_respirator:
      return {{0, -0.02F}, {0.25F, 0.02F}, {0.6F, 0.2F}, {0.8F, 0.45F}, {0.78F, 0.7F}, {0.5F, 0.92F}, {0, 1}};
    case MaskKind::cloth:
      return {{0, -0.02F},   {0.25F, 0.02F}, {0.6F, 0.16F}, {1, 0.17F}, {1.04F, 0.35F},
              {0.98F, 0.6F}, {0.6F, 0.9F},   {0.2F, 1},     {0, 1.01F}};
    case MaskKind::sport:
      return {{0, 0},         {0.3F, 0.03F},  {0.7F, 0.15F}, {1.08F, 0.1F}, {1.0F, 0.34F},
              {1.06F, 0.58F}, {0.75F, 0.82F}, {0.3F, 1},     {0, 1.02F}};
    case MaskKind::bandana:
      return {{0, 0}, {0.5F, 0.04F}, {1.1F, 0.05F}, {1.14F, 0.4F}, {0.9F, 0.8F}, {0.55F, 1.15F}, {0, 1.4F}};
  }
  return {};
}

/// A mask on the face: its outline, and pixels in its own coordinates.
class Worn {
 public:
  Worn(const Stage& stage, const Mask& mask) : mask_(mask) {
    const float middle = 0.5F * (mask.top + mask.bottom);
    outline =
        stage.on_skin(placed(smooth_loop(mirrored(relative_outline(mask.kind)))), 0.06F + 0.4F * mask.puff);
    frame_ = stage.frame({0, middle}, {mask.side, 0.5F * (mask.bottom - mask.top)}, mask.tilt);
    determinant_ = frame_.across.x * frame_.down.y - frame_.across.y * frame_.down.x;
  }

  /// u from -1 to 1 between the side edges, v from -1 (top) to 1 (bottom).
  Point local(int x, int y) const {
    const Point p = Point{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F} - frame_.centre;
    return {(p.x * frame_.down.y - p.y * frame_.down.x) / determinant_,
            (p.y * frame_.across.x - p.x * frame_.across.y) / determinant_};
  }

  /// From shares of side and height to the face.
  Path placed(const Path& relative) const {
    const float c = std::cos(mask_.tilt);
    const float s = std::sin(mask_.tilt);
    const float half = 0.5F * (mask_.bottom - mask_.top);
    Path path;
    path.reserve(relative.size());
    for (const Point p : relative) {
      const Point q{mask_.side * p.x, half * (2 * p.y - 1)};
      path.push_back({c * q.x - s * q.y, mask_.top + half + s * q.x + c * q.y});
    }
    return path;
  }

  Path outline;

 private:
  const Mask& mask_;
  Frame frame_;
  float determinant_ = 1;
};

float positive(float x) { return x > 0 ? x : 0; }

/// 0 before `at`, 1 after it, within about a tenth.
float step(float x, float at) { return std::clamp(0.5F + 12 * (x - at), 0.0F, 1.0F); }

/// The mask's own height above the smooth head, in half widths of the head.
float mask_height(const Mask& m, Point p) {
  const float u2 = p.x * p.x;
  const float dome = positive(1 - u2) * positive(1 - 0.8F * (p.y + 0.1F) * (p.y + 0.1F));
  const float nose = 0.14F * positive(1 - 9 * u2) * positive(0.6F - p.y);
  const float wrinkle = m.wrinkles * noise(2.2F * p.x + m.noise, 2.6F * p.y + 1.5F * std::abs(p.x));
  float height = 0.06F + nose + 0.05F * wrinkle;
  switch (m.kind) {
    case MaskKind::surgical: {
      const float v = p.y - 0.12F * u2;
      const float pleats = step(v, -0.35F) + step(v, -0.02F) + step(v, 0.32F);
      return height + m.puff * dome - 0.035F * pleats + 0.03F * step(p.y, -0.8F);
    }
    case MaskKind::folded_respirator:
      return height + 1.3F * m.puff * positive(1 - std::abs(p.x)) * positive(1.05F - 0.5F * p.y * p.y) -
             0.03F * step(-std::abs(p.y + 0.55F - 0.4F * u2), -0.05F);
    case MaskKind::cup_respirator:
      return height + 1.8F * m.puff * positive(1 - 1.5F * u2) * positive(1 - p.y * p.y) -
             0.03F * step(-std::abs(u2 * 1.3F + p.y * p.y - 0.55F), -0.08F);
    case MaskKind::cloth:
    case MaskKind::sport:
      return height + m.puff * dome - 0.03F * step(-std::abs(p.x), -0.03F);
    case MaskKind::bandana:
      return height + m.puff * dome + 0.08F * noise(3 * p.x + m.noise, 1.5F * p.y);
  }
  return height;
}

/// How much of the second colour a place has.
float pattern_share(const Mask& m, Point p) {
  const float u = m.pattern_scale * p.x;
  const float v = m.pattern_scale * p.y;
  const auto wrap = [](float x) { return x - std::floor(x) - 0.5F; };
  switch (m.pattern) {
    case Pattern::plain:
      return 0;
    case Pattern::dots:
      return std::clamp(3 - 12 * length({wrap(u), wrap(v)}), 0.0F, 1.0F);
    case Pattern::stripes:
      return std::clamp(0.5F + 6 * (std::abs(wrap(v + 0.3F * u)) - 0.25F), 0.0F, 1.0F);
    case Pattern::checks:
      return 0.5F * ((wrap(u) > 0 ? 1.0F : 0.0F) + (wrap(v) > 0 ? 1.0F : 0.0F));
    case Pattern::flowers:
      return std::clamp(5 * (noise(2 * u + m.noise, 2 * v) - 0.25F), 0.0F, 1.0F);
    case Pattern::camouflage:
      return std::clamp(0.5F + 7 * noise(0.8F * u + m.noise, 0.8F * v), 0.0F, 1.0F);
    case Pattern::two_tone:
      return p.x > 0.05F * m.pattern_scale - 0.2F ? 1 : 0;
    case Pattern::emblem:
      return std::clamp(4 - 14 * length({p.x - 0.4F, 0.9F * (p.y - 0.2F)}), 0.0F, 1.0F);
    case Pattern::printed_mouth: {
      const float curve = p.y - 0.3F + 0.5F * p.x * p.x;
      return std::abs(p.x) < 0.5F ? std::clamp(2 - 12 * std::abs(curve) / (1.1F - 2 * p.x * p.x), 0.0F, 1.0F)
                                  : 0;
    }
  }
  return 0;
}

void paint_straps(Stage& stage, const Mask& m, const Worn& worn) {
  const float unit = stage.unit();
  const bool wide = m.kind == MaskKind::sport;
  if (m.kind == MaskKind::bandana) return;
  for (const float side : {-1.0F, 1.0F}) {
    const auto strap = [&](Point from, Point to) {
      const Path start = worn.placed({{side * from.x, from.y}});
      const Path line = smooth_line({start[0],
                                     {0.5F * (start[0].x + side * to.x), 0.5F * (start[0].y + to.y) - 0.02F},
                                     {side * to.x, to.y}});
      const float radius = (wide ? 0.07F : 0.018F) * unit;
      const Coverage band = stage.canvas.cover(stroke(stage.on_skin(line, 0.03F), radius, radius));
      stage.canvas.paint(band, m.straps);
      stage.canvas.raise(band, 0.035F * unit);
    };
    const bool cup = m.kind == MaskKind::cup_respirator;
    strap({cup ? 0.7F : 0.96F, 0.2F}, {1.02F, cup ? -0.3F : -0.12F});
    strap({cup ? 0.7F : 0.96F, 0.6F}, {1.02F, cup ? 0.1F : 0.28F});
  }
}

void paint_valve(Stage& stage, const Mask& m, const Worn& worn) {
  const Path centre = worn.placed({{0.42F, 0.62F}});
  const Coverage disc = stage.canvas.cover(stage.on_skin(ellipse(centre[0], {0.15F, 0.15F}), 0.1F + m.puff));
  stage.canvas.paint(disc, m.second);
  stage.canvas.raise(disc, 0.08F * stage.unit());
}

}  // namespace

Mask draw_mask(Rng& rng, const Head& head) {
  Mask m;
  m.kind = static_cast<MaskKind>(pick(rng, {5, 1.6F, 0.8F, 3, 1.6F, 0.35F}));
  const bool medical = m.kind <= MaskKind::cup_respirator;
  const Colour medical_colour =
      kMedical[static_cast<std::size_t>(pick(rng, {3, 2, 2, 4, 3, 0.7F, 0.5F, 0.7F, 1.5F}))];
  const Colour fabric = chance(rng, 0.4F) ? around(rng, 1, 0.3F) * rgb(0x222226) : any_colour(rng);
  m.colour = around(rng, 1, 0.07F) * (medical ? medical_colour : fabric);
  if (chance(rng, 0.04F)) m.colour = around(rng, 1, 0.1F) * head.skin;
  m.second = any_colour(rng);
  m.pattern = static_cast<Pattern>(medical ? pick(rng, {14, 0.2F, 0.2F, 0.1F, 0.3F, 0, 0.1F, 0.7F})
                                           : pick(rng, {7, 1, 0.9F, 0.7F, 1, 0.6F, 0.7F, 1, 0.5F}));
  m.straps = chance(rng, 0.6F) ? rgb(0xefefec) : chance(rng, 0.5F) ? m.colour : rgb(0x18181a);
  if (m.kind == MaskKind::sport) m.straps = m.colour;
  m.top = around(rng, 0.04F, 0.06F) + (chance(rng, 0.12F) ? 0.12F : 0);
  m.bottom = head.chin + around(rng, 0.1F, 0.05F);
  m.side = around(rng, 0.8F, 0.04F);
  m.puff = std::max(0.05F, around(rng, 0.17F, 0.05F));
  m.tilt = around(rng, 0, 0.035F);
  m.wrinkles = rng.uniform();
  m.noise = rng.uniform(0, 200);
  m.pattern_scale = rng.uniform(2, 6);
  m.valve = chance(rng, m.kind == MaskKind::surgical ? 0.0F : 0.2F);
  return m;
}

void paint_mask(Stage& stage) {
  if (stage.face.covering == Covering::none) return;
  Mask m = stage.face.mask;
  if (stage.face.covering == Covering::under_the_chin) {
    m.top = stage.face.head.chin - 0.24F;
    m.bottom = stage.face.head.chin + 0.35F;
    m.side = 0.72F;
  }
  const Worn worn(stage, m);
  Canvas& canvas = stage.canvas;
  const float unit = stage.unit();
  paint_straps(stage, m, worn);
  const Coverage cloth = canvas.cover(worn.outline);
  canvas.level(cloth,
               [&](int x, int y) { return stage.volume(x, y) + unit * mask_height(m, worn.local(x, y)); });
  canvas.paint(cloth,
               [&](int x, int y) { return mix(m.colour, m.second, pattern_share(m, worn.local(x, y))); });
  Path edge = worn.outline;
  edge.push_back(edge.front());
  const Coverage hem = canvas.cover(stroke(edge, 0.02F * unit, 0.02F * unit));
  canvas.paint(hem, m.wrinkles > 0.7F ? mix(m.colour, m.second, 0.5F) : 0.85F * m.colour, 0.7F);
  if (m.valve) paint_valve(stage, m, worn);
}

}  // namespace bauta::faces
