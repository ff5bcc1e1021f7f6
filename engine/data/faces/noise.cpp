#include "engine/data/faces/noise.h"

#include <array>
#include <vector>

#include "engine/core/rng.h"
#include "kernels/common.h"

namespace bauta::faces {
namespace {

constexpr int kUnits = 32;
constexpr int kStepsPerUnit = 4;
constexpr int kSteps = kUnits * kStepsPerUnit;
constexpr float kOffset =
    64 * kSteps;  // whole periods that make places positive, so that truncation rounds down

int wrapped(int i, int period) { return i & (period - 1); }

/// Random values at whole units, smooth between them.
class Lattice {
 public:
  explicit Lattice(Rng& rng) {
    for (float& value : values_) value = rng.uniform(-1, 1);
  }
  float operator()(float u, float v) const {
    const int u0 = static_cast<int>(u);
    const int v0 = static_cast<int>(v);
    const float a = u - static_cast<float>(u0);
    const float b = v - static_cast<float>(v0);
    const float s = a * a * (3 - 2 * a);
    const float t = b * b * (3 - 2 * b);
    const float top = at(u0, v0) + s * (at(u0 + 1, v0) - at(u0, v0));
    const float bottom = at(u0, v0 + 1) + s * (at(u0 + 1, v0 + 1) - at(u0, v0 + 1));
    return top + t * (bottom - top);
  }

 private:
  float at(int u, int v) const {
    return values_[static_cast<std::size_t>(Index{wrapped(v, kUnits)} * kUnits + wrapped(u, kUnits))];
  }
  std::array<float, std::size_t{kUnits} * kUnits> values_;
};

/// Both tables, filled with numbers that no face's stream uses.
struct Tables {
  Tables() : smooth(std::size_t{kSteps} * kSteps), white(std::size_t{kNoisePeriod} * kNoisePeriod) {
    Rng rng(0, RngStream::render, ~std::uint64_t{0});
    const Lattice lattice(rng);
    for (int v = 0; v < kSteps; ++v) {
      for (int u = 0; u < kSteps; ++u) {
        const float x = static_cast<float>(u) / kStepsPerUnit;
        const float y = static_cast<float>(v) / kStepsPerUnit;
        smooth[static_cast<std::size_t>(Index{v} * kSteps + u)] =
            0.67F * lattice(x, y) + 0.33F * lattice(2 * x + 11, 2 * y + 5);
      }
    }
    for (float& value : white) {
      value = -6;  // the sum of 12 uniform numbers has variance 1 and mean 6
      for (int i = 0; i < 12; ++i) value += rng.uniform();
    }
  }
  std::vector<float> smooth, white;
};

const Tables& tables() {
  static const Tables filled;
  return filled;
}

}  // namespace

float noise(float u, float v) {
  u = kStepsPerUnit * u + kOffset;
  v = kStepsPerUnit * v + kOffset;
  const int u0 = static_cast<int>(u);
  const int v0 = static_cast<int>(v);
  const float a = u - static_cast<float>(u0);
  const float b = v - static_cast<float>(v0);
  const std::vector<float>& smooth = tables().smooth;
  const float* top = &smooth[static_cast<std::size_t>(Index{wrapped(v0, kSteps)} * kSteps)];
  const float* bottom = &smooth[static_cast<std::size_t>(Index{wrapped(v0 + 1, kSteps)} * kSteps)];
  const int left = wrapped(u0, kSteps);
  const int right = wrapped(u0 + 1, kSteps);
  const float upper = top[left] + a * (top[right] - top[left]);
  const float lower = bottom[left] + a * (bottom[right] - bottom[left]);
  return upper + b * (lower - upper);
}

const float* white_noise_row(int y) {
  return &tables().white[static_cast<std::size_t>(Index{wrapped(y, kNoisePeriod)} * kNoisePeriod)];
}

}  // namespace bauta::faces
