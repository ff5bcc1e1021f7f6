#include "engine/data/faces/photograph.h"

#include <cmath>

#include "engine/data/faces/noise.h"

namespace bauta::faces {
namespace {

constexpr float kSteepest = 1.6F;  // slopes are cut here, so that outlines do not turn black
constexpr float kGloss = 0.12F;

/// Three rows of numbers with one more at either end, so that every pixel has neighbours; and what the light
/// makes of it.
struct Row {
  explicit Row(int width)
      : width(width), slope_x(size()), slope_y(size()), sky(size()), lit(size()), gloss(size()) {
    for (std::vector<float>* row : {&above, &here, &below, &blurred, &shade}) row->resize(size() + 2);
  }
  std::size_t size() const { return static_cast<std::size_t>(width); }

  int width;
  std::vector<float> above, here, below;  // relief
  std::vector<float> blurred, shade;      // blurred relief: here, and some way towards the light
  std::vector<float> slope_x, slope_y;
  std::vector<float> sky, lit, gloss;  // shares of ambient and key light that are thrown back
};

/// Row `y` of a plane, moved left by `dx`; beyond the borders the nearest pixel repeats.
void copy_row(const std::vector<float>& plane, int width, int height, int dx, int y,
              std::vector<float>& out) {
  const float* row = plane.data() + static_cast<std::ptrdiff_t>(std::clamp(y, 0, height - 1)) * width;
  for (int x = 0; x < width + 2; ++x)
    out[static_cast<std::size_t>(x)] = row[std::clamp(x - 1 + dx, 0, width - 1)];
}

// By value, unlike the standard's, so that loops of them vectorize.
float at_least(float low, float x) { return x < low ? low : x; }
float at_most(float high, float x) { return x > high ? high : x; }

float cut(float slope) { return at_most(kSteepest, at_least(-kSteepest, slope)); }

/// What is lower than its surroundings by `depth` sees less of the sky.
float openness(float depth) { return at_least(0.4F, at_most(1, 1 - 1.6F * depth)); }

/// Light from the front is shaded less than Lambert's law says, as skin and cloth scatter it; hollows are
/// darker, and so is what the blurred relief hides from the key light.
void shade_row(Row& row, const Light& l, float unit) {
  const int width = row.width;
  const float per_unit = 1 / unit;
  const float half = 1 / std::sqrt(l.x * l.x + l.y * l.y + (l.z + 1) * (l.z + 1));
  const float* above = row.above.data() + 1;
  const float* here = row.here.data() + 1;
  const float* below = row.below.data() + 1;
  const float* blurred = row.blurred.data() + 1;
  const float* shade = row.shade.data() + 1;
  float* slope_x = row.slope_x.data();
  float* slope_y = row.slope_y.data();
  float* sky = row.sky.data();
  float* lit = row.lit.data();
  float* gloss = row.gloss.data();
  // Limits and what follows from them are loops of their own: together the compiler makes branches of them.
  for (int x = 0; x < width; ++x) slope_x[x] = cut(0.5F * (here[x + 1] - here[x - 1]));
  for (int x = 0; x < width; ++x) slope_y[x] = cut(0.5F * (below[x] - above[x]));
  for (int x = 0; x < width; ++x) sky[x] = openness((blurred[x] - here[x]) * per_unit);
  for (int x = 0; x < width; ++x) lit[x] = openness((shade[x] - here[x]) * per_unit - 0.12F);
  for (int x = 0; x < width; ++x) {
    const float norm = 1 / std::sqrt(slope_x[x] * slope_x[x] + slope_y[x] * slope_y[x] + 1);
    const float towards = l.z - slope_x[x] * l.x - slope_y[x] * l.y;
    const float mirror = half * norm * (towards + 1);
    const float mirror2 = mirror * mirror;
    const float mirror4 = mirror2 * mirror2;
    const float mirror8 = mirror4 * mirror4;
    sky[x] *= 0.85F + 0.25F * norm * slope_y[x];
    lit[x] *= at_least(0.02F, 0.75F * norm * towards + 0.25F);
    gloss[x] = kGloss * lit[x] * mirror8 * mirror8;
  }
}

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
void expose(Picture& picture, Colour gain, float contrast) {
  const float gains[4] = {gain.r, gain.g, gain.b, 0};
  for (Texel& texel : picture.texels) {
    float* channel = &texel.r;
    for (int i = 0; i < 4; ++i) {
      const float light = gains[i] * channel[i];
      const float display = 1.1F * std::sqrt(light * (1 + 0.25F * light) / (1 + 0.55F * light));
      channel[i] = 0.5F + contrast * (display - 0.5F);
    }
  }
}

/// Adds noise and changes the saturation of a row of texels.
void add_noise(Texel* texels, int y, int width, const Camera& camera) {
  const float* brightness_noise = white_noise_row(y + camera.noise_y);
  const float* colour_noise = white_noise_row(y + camera.noise_y + kNoisePeriod / 2);
  for (int x = 0; x < width; ++x) {
    const int column = (x + camera.noise_x) & (kNoisePeriod - 1);
    Texel& t = texels[x];
    const float grey = 0.3F * t.r + 0.59F * t.g + 0.11F * t.b + camera.grain * brightness_noise[column];
    const float tint = 0.5F * camera.grain * colour_noise[column];
    t = {grey + camera.saturation * (t.r - grey + tint), grey + camera.saturation * (t.g - grey),
         grey + camera.saturation * (t.b - grey - tint), 0};
  }
}

}  // namespace

Picture light(const Stage& stage, Picture picture) {
  const Canvas& c = stage.canvas;
  const Light& l = stage.face.light;
  const float unit = stage.unit();
  std::vector<float> blurred = c.relief;
  box_blur(blurred.data(), c.width(), c.height(), std::max(1, static_cast<int>(0.1F * unit)));
  const int dx = static_cast<int>(std::lround(0.3F * unit * l.x / l.z));
  const int dy = static_cast<int>(std::lround(0.3F * unit * l.y / l.z));
  Row row(c.width());
  for (int y = 0; y < c.height(); ++y) {
    copy_row(c.relief, c.width(), c.height(), 0, y - 1, row.above);
    copy_row(c.relief, c.width(), c.height(), 0, y, row.here);
    copy_row(c.relief, c.width(), c.height(), 0, y + 1, row.below);
    copy_row(blurred, c.width(), c.height(), 0, y, row.blurred);
    copy_row(blurred, c.width(), c.height(), dx, y + dy, row.shade);
    shade_row(row, l, unit);
    const Texel* surface = &c.texels[c.at(0, y)];
    Texel* out = &picture.texels[c.at(0, y)];
    for (std::size_t x = 0; x < row.size(); ++x) {
      const float solid = surface[x].solid;
      const float lit = row.lit[x], sky = row.sky[x], gloss = row.gloss[x];
      const auto mixed = [&](float reflectance, float key, float ambient, float behind) {
        const float value = 1.15F * reflectance * (ambient * sky + key * lit) + key * gloss;
        return behind + solid * (value - behind);
      };
      out[x] = {mixed(surface[x].r, l.key.r, l.ambient.r, out[x].r),
                mixed(surface[x].g, l.key.g, l.ambient.g, out[x].g),
                mixed(surface[x].b, l.key.b, l.ambient.b, out[x].b), 0};
    }
  }
  return picture;
}

std::vector<std::uint8_t> develop(Picture picture, const Camera& camera) {
  gaussian_blur(picture, camera.blur);
  expose(picture, camera.exposure * camera.balance, camera.contrast);
  const auto width = static_cast<std::size_t>(picture.width);
  std::vector<std::uint8_t> bytes(3 * picture.texels.size());
  std::vector<std::int32_t> row(4 * width);
  for (int y = 0; y < picture.height; ++y) {
    Texel* texels = picture.texels.data() + static_cast<std::size_t>(y) * width;
    add_noise(texels, y, picture.width, camera);
    const float* values = &texels->r;
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = static_cast<std::int32_t>(at_most(255, at_least(0, 255 * values[i] + 0.5F)));
    }
    std::uint8_t* out = bytes.data() + static_cast<std::size_t>(y) * 3 * width;
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t c = 0; c < 3; ++c) out[3 * x + c] = static_cast<std::uint8_t>(row[4 * x + c]);
    }
  }
  return bytes;
}

}  // namespace bauta::faces
