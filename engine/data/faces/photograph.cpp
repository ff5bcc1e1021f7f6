#include "engine/data/faces/photograph.h"

#include <array>
#include <cmath>

#include "engine/data/faces/noise.h"

namespace bauta::faces {
namespace {

constexpr float kSteepest = 1.6F;  // slopes are cut here, so that outlines do not turn black
constexpr float kGloss = 0.12F;

/// Light from the front is shaded less than Lambert's law says: skin and cloth scatter.
float wrapped(float cosine) { return std::max(0.0F, 0.75F * cosine + 0.25F); }

/// What is lower than its surroundings sees less of the sky.
float openness(float relief, float surroundings, float unit) {
  return 1 - std::min(0.6F, std::max(0.0F, 1.6F * (surroundings - relief) / unit));
}

/// Light leaves on a blurred relief: `ambient` hides in hollows, the key light behind what stands between.
struct Shadows {
  Shadows(const Stage& stage)
      : blurred(stage.canvas.relief), width(stage.canvas.width()), height(stage.canvas.height()) {
    const float unit = stage.unit();
    box_blur(blurred.data(), width, height, std::max(1, static_cast<int>(0.1F * unit)));
    const Light& l = stage.face.light;
    dx = static_cast<int>(std::lround(0.3F * unit * l.x / l.z));
    dy = static_cast<int>(std::lround(0.3F * unit * l.y / l.z));
  }
  float towards_light(int x, int y) const {
    const int column = std::clamp(x + dx, 0, width - 1);
    return blurred[static_cast<std::size_t>(std::clamp(y + dy, 0, height - 1) * width + column)];
  }

  std::vector<float> blurred;
  int width, height, dx, dy;
};

/// The weights of a Gaussian's middle and one side; all of them add up to 1.
std::vector<float> gaussian_weights(float deviation) {
  const int radius = std::max(1, static_cast<int>(std::ceil(2.2F * deviation)));
  std::vector<float> weights;
  float total = 0;
  for (int i = 0; i <= radius; ++i) {
    const float t = static_cast<float>(i) / deviation;
    weights.push_back(std::exp(-0.5F * t * t));
    total += (i == 0 ? 1.0F : 2.0F) * weights.back();
  }
  for (float& weight : weights) weight /= total;
  return weights;
}

/// out[x] = Σ weights of source(-radius)[x] to source(radius)[x]
template <class Source>
void weigh(const std::vector<float>& weights, std::size_t count, float* out, Source&& source) {
  const float* middle = source(0);
  for (std::size_t x = 0; x < count; ++x) out[x] = weights[0] * middle[x];
  for (int i = 1; i < static_cast<int>(weights.size()); ++i) {
    const float weight = weights[static_cast<std::size_t>(i)];
    const float* before = source(-i);
    const float* after = source(i);
    for (std::size_t x = 0; x < count; ++x) out[x] += weight * (before[x] + after[x]);
  }
}

void gaussian_blur(Picture& picture, float deviation) {
  const std::vector<float> weights = gaussian_weights(deviation);
  const std::size_t margin = weights.size();
  const auto width = static_cast<std::size_t>(picture.width);
  std::vector<Texel> padded(width + 2 * margin);
  std::vector<Texel> across(picture.texels.size());
  const auto row = [&](std::vector<Texel>& texels, int y) {
    return texels.data() + static_cast<std::size_t>(std::clamp(y, 0, picture.height - 1)) * width;
  };
  for (int y = 0; y < picture.height; ++y) {
    const Texel* in = row(picture.texels, y);
    std::fill_n(padded.begin(), margin, in[0]);
    std::copy_n(in, width, padded.data() + margin);
    std::fill_n(padded.data() + margin + width, margin, in[width - 1]);
    weigh(weights, 4 * width, &row(across, y)->r, [&](int i) { return &(padded.data() + margin + i)->r; });
  }
  for (int y = 0; y < picture.height; ++y) {
    weigh(weights, 4 * width, &row(picture.texels, y)->r, [&](int i) { return &row(across, y + i)->r; });
  }
}

/// From light to what a display is sent, about 0 to 1: a gamma of 2 and a soft shoulder.
float exposed(float light, float contrast) {
  const float display = 1.1F * std::sqrt(light * (1 + 0.25F * light) / (1 + 0.55F * light));
  return 0.5F + contrast * (display - 0.5F);
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(255 * value + 0.5F, 0.0F, 255.0F));
}

}  // namespace

Picture light(const Stage& stage, Picture picture) {
  const Canvas& c = stage.canvas;
  const Light& l = stage.face.light;
  const float unit = stage.unit();
  const Shadows shadows(stage);
  const float half = 1 / std::sqrt(l.x * l.x + l.y * l.y + (l.z + 1) * (l.z + 1));
  for (int y = 0; y < c.height(); ++y) {
    const std::size_t above = c.at(0, std::max(y - 1, 0));
    const std::size_t below = c.at(0, std::min(y + 1, c.height() - 1));
    for (int x = 0; x < c.width(); ++x) {
      const std::size_t i = c.at(x, y);
      const Texel& surface = c.texels[i];
      if (surface.solid == 0) continue;
      const auto column = static_cast<std::size_t>(x);
      const float slope_x =
          0.5F * (c.relief[c.at(std::min(x + 1, c.width() - 1), y)] - c.relief[c.at(std::max(x - 1, 0), y)]);
      const float slope_y = 0.5F * (c.relief[below + column] - c.relief[above + column]);
      const float gx = std::clamp(slope_x, -kSteepest, kSteepest);
      const float gy = std::clamp(slope_y, -kSteepest, kSteepest);
      const float norm = 1 / std::sqrt(gx * gx + gy * gy + 1);
      const float facing = norm * (l.z - gx * l.x - gy * l.y);
      const float open = openness(c.relief[i], shadows.blurred[i], unit);
      const float lit =
          wrapped(facing) * openness(c.relief[i] + 0.12F * unit, shadows.towards_light(x, y), unit);
      const float mirror = std::max(0.0F, half * norm * (l.z + 1 - gx * l.x - gy * l.y));
      const float mirror4 = mirror * mirror * mirror * mirror;
      const float gloss = kGloss * lit * mirror4 * mirror4 * mirror4 * mirror4;
      const float sky = open * (0.85F + 0.25F * norm * gy);
      const auto shade = [&](float reflectance, float key, float ambient, float behind) {
        const float value = reflectance * (ambient * sky + key * lit) * 1.15F + key * gloss;
        return behind + surface.solid * (value - behind);
      };
      Texel& out = picture.texels[i];
      out.r = shade(surface.r, l.key.r, l.ambient.r, out.r);
      out.g = shade(surface.g, l.key.g, l.ambient.g, out.g);
      out.b = shade(surface.b, l.key.b, l.ambient.b, out.b);
    }
  }
  return picture;
}

std::vector<std::uint8_t> develop(Picture picture, const Camera& camera) {
  const Colour gain = camera.exposure * camera.balance;
  gaussian_blur(picture, camera.blur);
  for (Texel& t : picture.texels) {
    t = {exposed(gain.r * t.r, camera.contrast), exposed(gain.g * t.g, camera.contrast),
         exposed(gain.b * t.b, camera.contrast), 0};
  }

  std::vector<std::uint8_t> bytes(3 * picture.texels.size());
  std::size_t i = 0;
  for (int y = 0; y < picture.height; ++y) {
    const float* brightness_noise = white_noise_row(y + camera.noise_y);
    const float* colour_noise = white_noise_row(y + camera.noise_y + 128);
    for (int x = 0; x < picture.width; ++x, ++i) {
      const int column = (x + camera.noise_x) % kNoisePeriod;
      const auto [r, g, b, unused] = picture.texels[i];
      const float grey = 0.3F * r + 0.59F * g + 0.11F * b + camera.grain * brightness_noise[column];
      const float tint = 0.5F * camera.grain * colour_noise[column];
      bytes[3 * i] = to_byte(grey + camera.saturation * (r - grey + tint));
      bytes[3 * i + 1] = to_byte(grey + camera.saturation * (g - grey));
      bytes[3 * i + 2] = to_byte(grey + camera.saturation * (b - grey - tint));
    }
  }
  return bytes;
}

}  // namespace bauta::faces
