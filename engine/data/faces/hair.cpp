#include "engine/data/faces/noise.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {
namespace {

/// The part of the hair that lies behind head and shoulders; from the front, its right half, top to bottom.
Path back_outline(const Hair& h) {
  const float v = h.volume;
  switch (h.style) {
    case HairStyle::chin_length:
      return {{0, -1.52F - v},   {0.7F, -1.35F - v}, {1.08F + v, -0.5F},
              {1.14F + v, 0.4F}, {1.08F + v, 1.1F},  {0.6F, 1.35F}};
    case HairStyle::long_straight:
    case HairStyle::long_wavy:
      return {{0, -1.52F - v},   {0.7F, -1.35F - v}, {1.08F + v, -0.5F},
              {1.15F + v, 0.6F}, {1.2F + v, 1.6F},   {1.1F + v, 2.6F}};
    case HairStyle::afro:
      return ellipse({0, -0.6F}, {1.2F + 2 * v, 1.15F + 2 * v});
    case HairStyle::bun:
      return ellipse({0.4F * h.parting, -1.75F}, {0.42F, 0.38F});
    default:
      return {};
  }
}

bool falls_over_ears(HairStyle style) { return style >= HairStyle::chin_length; }

/// The hairline on the forehead from the picture's right temple to its left one.
Path hairline(const Hair& h) {
  const float y = h.hairline;
  switch (h.style) {
    case HairStyle::fringe: {
      Path line{{0.86F, -0.3F}};
      for (int i = 5; i >= -5; --i) {
        const float x = 0.15F * static_cast<float>(i);
        line.push_back({x, -0.5F + 0.12F * noise(5 * x + h.noise, 0.5F)});
      }
      line.push_back({-0.86F, -0.3F});
      return line;
    }
    case HairStyle::parted:
    case HairStyle::chin_length:
    case HairStyle::long_straight:
    case HairStyle::long_wavy: {
      const float p = h.parting;
      return {{0.88F, -0.2F},         {0.8F, -0.55F},         {0.5F * (0.7F + p), 0.35F * y - 0.48F},
              {p + 0.06F, y - 0.05F}, {p - 0.06F, y - 0.05F}, {0.5F * (p - 0.7F), 0.35F * y - 0.48F},
              {-0.8F, -0.55F},        {-0.88F, -0.2F}};
    }
    default:
      return {{0.9F, -0.2F}, {0.8F, -0.6F},       {0.58F, y + 0.06F}, {0.2F, y},
              {-0.2F, y},    {-0.58F, y + 0.06F}, {-0.8F, -0.6F},     {-0.9F, -0.2F}};
  }
}

/// What grows on top of the skull, down to the hairline and the sideburns.
Path cap_outline(const Stage& stage) {
  const Hair& h = stage.face.hair;
  const float v = h.style == HairStyle::buzz ? 0.03F : h.volume;
  const float sideburn = h.style == HairStyle::buzz ? -0.1F : 0.12F;
  const float temple = stage.face.head.forehead + 0.08F + 0.7F * v;
  Path outer{{-0.99F, sideburn}, {-1.02F - 0.5F * v, -0.42F}, {-temple, -0.98F}, {-0.5F, -1.42F - v},
             {0, -1.52F - v},    {0.5F, -1.42F - v},          {temple, -0.98F},  {1.02F + 0.5F * v, -0.42F},
             {0.99F, sideburn}};
  Path outline = stage.in_space(smooth_line(outer), 0);
  const Path front = stage.on_skin(smooth_line(hairline(h)), 0.05F);
  outline.insert(outline.end(), front.begin(), front.end());
  return outline;
}

/// Hair that hangs down over temple and ear.
Path side_outline(const Hair& h, float side) {
  const float end = h.style == HairStyle::chin_length ? 1.05F : 2.4F;
  const float v = h.volume;
  Path outline{
      {0.62F, -1.1F}, {1.0F + 0.5F * v, -0.9F}, {1.12F + v, -0.2F}, {1.14F + v, 0.5F * end}, {1.08F + v, end},
      {0.88F, end},   {0.9F, 0.5F * end},       {0.84F, 0},         {0.82F, -0.45F}};
  for (Point& p : outline) p.x *= side;
  return smooth_loop(outline);
}

void paint_hair_part(Stage& stage, const Path& outline, const Coverage& part, float height) {
  const Hair& h = stage.face.hair;
  const Inflation volume(outline, {0, 1}, height * stage.unit());
  stage.canvas.level(part, [&](int x, int y) { return volume(x, y); });
  stage.paint_strands(part, h.colour, {h.parting, -1.9F}, h.style == HairStyle::afro ? 1 : h.curl, h.noise);
}

Path beard_outline(const Stage& stage) {
  const Beard& b = stage.face.beard;
  const Head& h = stage.face.head;
  const float mouth = stage.face.mouth.y;
  const float chin = h.chin + 0.5F * b.length;
  if (b.style == BeardStyle::goatee) {
    return mirrored(
        {{0, mouth + 0.14F}, {0.2F, mouth + 0.12F}, {0.32F, mouth + 0.05F}, {0.36F, chin - 0.2F}, {0, chin}});
  }
  return mirrored({{0, mouth + 0.17F},
                   {0.22F, mouth + 0.15F},
                   {0.42F, mouth - 0.05F},
                   {0.62F, 0.5F},
                   {0.86F, 0.15F},
                   {0.98F, 0},
                   {0.97F, 0.4F},
                   {h.jaw + 0.03F, 0.78F},
                   {h.chin_width + 0.12F, chin - 0.12F},
                   {0, chin}});
}

Path moustache_outline(const Stage& stage) {
  const float nose = stage.face.head.nose_length + 0.17F;
  const Mouth& m = stage.face.mouth;
  return mirrored({{0, nose},
                   {0.2F, nose + 0.03F},
                   {m.width + 0.06F, m.y - 0.02F},
                   {m.width + 0.04F, m.y + 0.06F},
                   {0.2F, m.y - 0.09F - 0.5F * m.open},
                   {0, m.y - 0.09F - 0.5F * m.open}});
}

}  // namespace

void Stage::paint_strands(const Coverage& coverage, Colour colour, Point root, float curl, float place) {
  const float lift = 0.05F * unit();
  const auto strand = [&](int x, int y) {
    const Point p = upright(x, y);
    if (curl > 0.8F) return noise(7 * p.x + place, 7 * p.y);
    const float fan = (p.x - root.x) / std::max(p.y - root.y, 0.3F);
    const float wave = curl < 0.05F ? 0 : curl * noise(1.5F * p.x + place, 4 * p.y);
    return noise(22 * fan + 2 * wave + place, 0.8F * p.y + place);
  };
  canvas.paint_rough(coverage, [&](int x, int y) {
    const float value = strand(x, y);
    return Surface{(1 + 0.45F * value) * colour, lift * value};
  });
}

void paint_back_hair(Stage& stage) {
  const Hair& h = stage.face.hair;
  const Path outline = back_outline(h);
  if (outline.empty()) return;
  const bool half = outline.front().x == 0 && h.style >= HairStyle::chin_length;
  const Path whole = half ? smooth_loop(mirrored(outline)) : outline;
  const Path placed = stage.in_space(whole, -0.25F);
  const float softness = (h.style == HairStyle::afro ? 0.15F : 0.05F) * stage.unit();
  // The middle of the head will cover what is behind it.
  const Path hidden = stage.in_space(ellipse({0, -0.1F}, {0.75F, 0.95F}), 0);
  paint_hair_part(stage, placed,
                  h.style == HairStyle::bun ? stage.canvas.cover(placed, softness)
                                            : stage.canvas.cover(placed, hidden, softness),
                  0.4F);
}

void paint_hair(Stage& stage) {
  const Hair& h = stage.face.hair;
  const bool hidden = stage.face.headwear.style == HeadwearStyle::headscarf;
  if (h.style == HairStyle::bald || hidden) return;
  const bool shaved = h.style == HairStyle::buzz;
  const Path cap = cap_outline(stage);
  paint_hair_part(stage, cap, stage.canvas.cover(cap, (shaved ? 0.12F : 0.05F) * stage.unit()), 0.95F);
  if (!falls_over_ears(h.style)) return;
  for (const float side : {-1.0F, 1.0F}) {
    const Path curtain = stage.in_space(side_outline(h, side), 0.1F);
    paint_hair_part(stage, curtain, stage.canvas.cover(curtain, 0.05F * stage.unit()), 0.6F);
  }
}

void paint_beard(Stage& stage) {
  const Beard& b = stage.face.beard;
  if (b.style == BeardStyle::none) return;
  const auto grow = [&](const Path& outline) {
    const float softness = b.style == BeardStyle::stubble ? 0.25F : 0.12F;
    Coverage part = stage.canvas.cover(stage.on_skin(smooth_loop(outline), 0.05F), softness * stage.unit());
    const float opacity = b.style == BeardStyle::stubble ? 0.45F * b.density : b.density;
    for (float& alpha : part.alpha) alpha *= opacity;
    stage.paint_strands(part, stage.face.hair.colour, {0, -0.5F}, stage.face.hair.curl,
                        stage.face.hair.noise);
  };
  if (b.style != BeardStyle::moustache) grow(beard_outline(stage));
  grow(moustache_outline(stage));
}

}  // namespace bauta::faces
