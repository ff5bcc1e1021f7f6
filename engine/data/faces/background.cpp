#include "engine/data/faces/background.h"

#include "engine/data/faces/noise.h"

namespace bauta::faces {
namespace {

constexpr int kReduction = 4;

float at_random(const Background& b, int i) {
  return 0.5F + 0.5F * noise(b.noise + 7 * static_cast<float>(i), 3.5F);
}

Canvas paint_small(const Background& b, int width, int height) {
  Canvas canvas(width, height);
  const auto w = static_cast<float>(width);
  const auto h = static_cast<float>(height);
  const Path everything{{0, 0}, {w, 0}, {w, h}, {0, h}};
  canvas.paint(canvas.cover(everything), [&](int x, int y) {
    const float u = static_cast<float>(x) / w;
    const float v = static_cast<float>(y) / h;
    const Colour gradient =
        mix(b.colours[0], b.colours[1], std::clamp(v + 0.3F * noise(2 * u + b.noise, 2 * v), 0.0F, 1.0F));
    return (1 + b.texture * noise(6 * u + b.noise, 6 * v)) * gradient;
  });
  for (int i = 0; i < b.shapes; ++i) {
    const Point centre{w * at_random(b, 5 * i), h * at_random(b, 5 * i + 1)};
    const Point radius{0.4F * w * at_random(b, 5 * i + 2), 0.4F * h * at_random(b, 5 * i + 3)};
    const Path box{centre - radius,
                   {centre.x + radius.x, centre.y - radius.y},
                   centre + radius,
                   {centre.x - radius.x, centre.y + radius.y}};
    const bool round = i % 3 == 0;
    const Colour colour =
        (0.6F + 0.8F * at_random(b, 5 * i + 4)) * b.colours[static_cast<std::size_t>(i % 4)];
    canvas.paint(canvas.cover(round ? ellipse(centre, radius) : box, 2 * at_random(b, 5 * i + 2)), colour,
                 0.85F);
  }
  return canvas;
}

Texel between(const Texel& a, const Texel& b, float t) {
  return {a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b),
          a.solid + t * (b.solid - a.solid)};
}

}  // namespace

Picture paint_background(const Face& face) {
  Picture picture{face.camera.width, face.camera.height, {}};
  const int width = picture.width / kReduction + 2;
  const Canvas small = paint_small(face.background, width, picture.height / kReduction + 2);
  picture.texels.resize(static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height));
  Texel* out = picture.texels.data();
  std::vector<Texel> line(static_cast<std::size_t>(width));
  for (int y = 0; y < picture.height; ++y) {
    const Texel* top = &small.texels[small.at(0, y / kReduction)];
    const float down = static_cast<float>(y % kReduction) / kReduction;
    for (int x = 0; x < width; ++x) line[static_cast<std::size_t>(x)] = between(top[x], top[x + width], down);
    for (int x = 0; x < picture.width; ++x) {
      const Texel* left = line.data() + x / kReduction;
      *out++ = between(left[0], left[1], static_cast<float>(x % kReduction) / kReduction);
    }
  }
  return picture;
}

}  // namespace bauta::faces
