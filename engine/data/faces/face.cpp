#include "engine/data/faces/face.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace bauta::faces {
namespace {

// From light to dark; a person's is between two neighbours.
constexpr std::array kSkins{rgb(0xfae0d0), rgb(0xf2cdb2), rgb(0xe6b795), rgb(0xd8a077), rgb(0xc08457),
                            rgb(0x9e6640), rgb(0x7a4a2d), rgb(0x57331f), rgb(0x3d2417)};
constexpr std::array kHairColours{rgb(0x15110f), rgb(0x2a1c14), rgb(0x4a3122), rgb(0x785638), rgb(0xb99763),
                                  rgb(0x8a3f20), rgb(0x85827e), rgb(0xcfccc6), rgb(0x5b3b6e)};
constexpr std::array kIrises{rgb(0x2b1a10), rgb(0x4a2f1b), rgb(0x5f5a35), rgb(0x5b7a94), rgb(0x708a70)};

Head draw_head(Rng& rng) {
  Head h;
  const float tone = rng.uniform() * static_cast<float>(kSkins.size() - 1);
  const auto below = static_cast<std::size_t>(tone);
  h.skin = mix(kSkins[below], kSkins[below + 1], tone - static_cast<float>(below));
  h.skin = Colour{around(rng, 1, 0.04F), around(rng, 1, 0.03F), around(rng, 1, 0.06F)} * h.skin;
  h.blush = rng.uniform();
  h.forehead = around(rng, 0.88F, 0.03F);
  h.jaw = around(rng, 0.8F, 0.05F);
  h.chin_width = around(rng, 0.4F, 0.05F);
  h.chin = around(rng, 1.33F, 0.07F);
  h.relief = around(rng, 1, 0.18F);
  h.nose_width = around(rng, 1, 0.13F);
  h.nose_length = around(rng, 0.32F, 0.04F);
  h.age = rng.uniform();
  return h;
}

Eyes draw_eyes(Rng& rng, const Hair& hair) {
  Eyes e;
  e.iris = kIrises[static_cast<std::size_t>(pick(rng, {5, 4, 1, 1, 1}))];
  e.spacing = around(rng, 0.42F, 0.02F);
  e.size = around(rng, 0.205F, 0.017F);
  e.open = chance(rng, 0.07F) ? 0 : std::max(0.03F, around(rng, 0.085F, 0.02F));
  e.slant = around(rng, 0.015F, 0.015F);
  e.gaze = around(rng, 0, 0.3F);
  e.makeup = chance(rng, 0.3F) ? rng.uniform() : 0;
  e.brow = mix(hair.colour, rgb(0x201510), rng.uniform());
  e.brow_height = around(rng, -0.4F, 0.03F);
  e.brow_thickness = around(rng, 0.045F, 0.012F);
  e.brow_arch = around(rng, 0.05F, 0.03F);
  return e;
}

Mouth draw_mouth(Rng& rng, const Head& head, float makeup) {
  Mouth m;
  const Colour natural = head.skin * Colour{0.82F, 0.5F, 0.52F};
  m.lips = mix(natural, chance(rng, 0.5F) ? rgb(0xb02a3a) : rgb(0xc76a70), 0.7F * makeup);
  m.y = around(rng, 0.73F, 0.03F);
  m.width = around(rng, 0.33F, 0.035F);
  m.fullness = around(rng, 1, 0.2F);
  m.smile = around(rng, 0.03F, 0.035F);
  m.open = std::max(0.0F, rng.uniform(-0.12F, 0.09F));
  if (chance(rng, 0.05F)) m.open = rng.uniform(0.1F, 0.2F);
  if (m.open > 0) m.width += std::max(0.0F, m.smile);
  return m;
}

Hair draw_hair(Rng& rng) {
  Hair h;
  h.style = static_cast<HairStyle>(pick(rng, {0.6F, 1, 2, 2, 1.6F, 0.7F, 0.9F, 1.2F, 1.4F, 1}));
  h.colour = around(rng, 1, 0.1F) *
             kHairColours[static_cast<std::size_t>(pick(rng, {8, 6, 4, 2, 1.2F, 0.6F, 1, 0.5F, 0.2F}))];
  h.volume = std::max(0.04F, around(rng, 0.16F, 0.05F));
  h.hairline = around(rng, -0.95F, 0.07F);
  h.parting = around(rng, 0, 0.35F);
  h.curl = rng.uniform() * rng.uniform();
  h.noise = rng.uniform(0, 200);
  return h;
}

Beard draw_beard(Rng& rng, const Hair& hair) {
  const bool long_hair = hair.style >= HairStyle::bun;
  Beard b;
  b.style = long_hair ? BeardStyle::none : static_cast<BeardStyle>(pick(rng, {5, 1.2F, 1, 0.6F, 0.6F}));
  b.density = rng.uniform(0.55F, 1);
  b.length = rng.uniform(0, 0.25F);
  return b;
}

Headwear draw_headwear(Rng& rng) {
  Headwear h;
  h.style = static_cast<HeadwearStyle>(pick(rng, {16, 1.3F, 0.9F, 1, 0.5F, 0.4F}));
  h.colour = any_colour(rng);
  h.trim = chance(rng, 0.5F) ? any_colour(rng) : 0.6F * h.colour;
  h.brim = around(rng, -0.62F, 0.06F);
  h.noise = rng.uniform(0, 200);
  return h;
}

Glasses draw_glasses(Rng& rng) {
  Glasses g;
  g.style = static_cast<GlassesStyle>(pick(rng, {7, 1.5F, 0.6F, 0.8F}));
  g.frame = chance(rng, 0.7F) ? rgb(0x141212) : any_colour(rng);
  g.lens = mix(rgb(0x0c0c0e), chance(rng, 0.3F) ? any_colour(rng) : rgb(0x302820), rng.uniform(0, 0.5F));
  g.width = around(rng, 0.29F, 0.02F);
  g.height = around(rng, 0.21F, 0.03F);
  g.roundness = rng.uniform();
  g.thickness = rng.uniform(0.012F, 0.04F);
  g.glare = rng.uniform();
  return g;
}

Clothes draw_clothes(Rng& rng) {
  Clothes c;
  c.colour = any_colour(rng);
  c.collar = chance(rng, 0.5F) ? any_colour(rng) : 0.8F * c.colour;
  c.kind = pick(rng, {2, 2, 1});
  c.scarf = chance(rng, 0.06F);
  c.scarf_colour = any_colour(rng);
  c.noise = rng.uniform(0, 200);
  return c;
}

Obstacle draw_obstacle(Rng& rng) {
  Obstacle o;
  o.kind = static_cast<ObstacleKind>(pick(rng, {26, 0.8F, 0.6F, 0.5F, 0.4F, 0.5F}));
  o.colour = any_colour(rng);
  o.at = {around(rng, 0, 0.15F), around(rng, 0.85F, 0.09F)};
  o.size = around(rng, 1, 0.1F);
  o.angle = around(rng, 0, 0.3F);
  o.side = chance(rng, 0.5F) ? -1.0F : 1.0F;
  return o;
}

Pose draw_pose(Rng& rng) {
  // Most look at the camera, a third does not.
  const float spread = chance(rng, 0.35F) ? 0.32F : 0.12F;
  return {std::clamp(around(rng, 0, spread), -0.6F, 0.6F), around(rng, 0.04F, 0.12F),
          around(rng, 0, chance(rng, 0.3F) ? 0.2F : 0.06F)};
}

Light draw_light(Rng& rng) {
  Light l;
  const float x = around(rng, 0, 0.45F);
  const float y = around(rng, -0.4F, 0.3F);
  const float norm = 1.0F / std::sqrt(x * x + y * y + 1);
  l.x = x * norm, l.y = y * norm, l.z = norm;
  const float warmth = around(rng, 0, 0.08F);
  const float share = rng.uniform(0.3F, 0.75F);
  l.key = share * Colour{1 + warmth, 1, 1 - 1.5F * warmth};
  const float tint = around(rng, 0, 0.06F);
  l.ambient = (1 - share) * Colour{1 - tint, 1, 1 + tint};
  return l;
}

Background draw_background(Rng& rng) {
  Background b;
  const Colour base = any_colour(rng);
  const float variety = chance(rng, 0.35F) ? 0.15F : rng.uniform(0.3F, 1);
  for (Colour& colour : b.colours) colour = rng.uniform(0.5F, 1.3F) * mix(base, any_colour(rng), variety);
  b.shapes = chance(rng, 0.35F) ? 0 : 3 + static_cast<int>(rng.below(8));
  b.noise = rng.uniform(0, 200);
  b.texture = rng.uniform(0, 0.25F);
  return b;
}

Camera draw_camera(Rng& rng) {
  Camera c;
  c.width = 80 + static_cast<int>(rng.below(49));
  c.height = std::clamp(static_cast<int>(static_cast<float>(c.width) * around(rng, 1.14F, 0.12F)), 80, 160);
  const auto width = static_cast<float>(c.width);
  const auto height = static_cast<float>(c.height);
  const float fit = std::min(width / 2.15F, height / 2.75F);
  c.scale = fit * (chance(rng, 0.2F) ? rng.uniform(0.62F, 0.9F) : rng.uniform(0.88F, 1.3F));
  c.centre = {width * around(rng, 0.5F, 0.035F), height * around(rng, 0.5F, 0.035F)};
  c.exposure = around(rng, 1, 0.17F);
  if (chance(rng, 0.08F)) c.exposure *= rng.uniform(0.35F, 0.7F);
  c.contrast = around(rng, 1.05F, 0.1F);
  c.saturation = chance(rng, 0.04F) ? 0.0F : around(rng, 1, 0.15F);
  c.balance = {around(rng, 1, 0.06F), 1, around(rng, 1, 0.08F)};
  c.blur = chance(rng, 0.2F) ? rng.uniform(1, 2.2F) : rng.uniform(0.3F, 1);
  c.grain = 0.003F + 0.05F * std::pow(rng.uniform(), 3.0F);
  c.noise_x = static_cast<int>(rng.below(256));
  c.noise_y = static_cast<int>(rng.below(256));
  c.jpeg_quality = 40 + static_cast<int>(rng.below(56));
  c.subsampled_chroma = chance(rng, 0.7F);
  return c;
}

}  // namespace

int pick(Rng& rng, std::initializer_list<float> weights) {
  float total = 0;
  for (const float weight : weights) total += weight;
  float rest = rng.uniform() * total;
  int position = 0;
  for (const float weight : weights) {
    if (rest < weight) return position;
    rest -= weight;
    ++position;
  }
  return position - 1;
}

float around(Rng& rng, float mean, float deviation) {
  float sum = 0;  // of three uniform numbers in [-1, 1): variance 1
  for (int i = 0; i < 3; ++i) sum += rng.uniform(-1, 1);
  return mean + deviation * sum;
}

Colour any_colour(Rng& rng) {
  const float value = rng.uniform();
  switch (pick(rng, {1.4F, 1.6F, 1.2F, 0.8F, 4})) {
    case 0:
      return (0.75F + 0.2F * value) * rgb(0xfffefa);
    case 1:
      return (0.5F + value) * rgb(0x28282c);
    case 2:
      return (0.2F + 0.6F * value) * rgb(0xf4f2f0);
    case 3:
      return mix(rgb(0x9cc4de), rgb(0x3f6f9f), value);
    default: {
      const Colour hue{rng.uniform(), rng.uniform(), rng.uniform()};
      const float grey = (hue.r + hue.g + hue.b) / 3;
      return (0.15F + 0.75F * value) * mix({grey, grey, grey}, hue, rng.uniform(0.2F, 1));
    }
  }
}

Face draw_face(std::uint64_t seed, std::uint64_t index, bool with_mask) {
  Rng rng(seed, RngStream::render, index);
  Face f;
  f.camera = draw_camera(rng);
  f.pose = draw_pose(rng);
  f.light = draw_light(rng);
  f.background = draw_background(rng);
  f.head = draw_head(rng);
  f.hair = draw_hair(rng);
  f.eyes = draw_eyes(rng, f.hair);
  f.mouth = draw_mouth(rng, f.head, f.eyes.makeup);
  f.beard = draw_beard(rng, f.hair);
  f.headwear = draw_headwear(rng);
  f.glasses = draw_glasses(rng);
  f.clothes = draw_clothes(rng);
  f.obstacle = draw_obstacle(rng);
  const bool pulled_down = chance(rng, 0.05F);
  f.covering = with_mask ? Covering::worn : pulled_down ? Covering::under_the_chin : Covering::none;
  f.mask = draw_mask(rng, f.head);
  return f;
}

}  // namespace bauta::faces
