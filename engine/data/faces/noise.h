#pragma once

namespace bauta::faces {

/// Smooth noise in [-1, 1], two octaves, features of about one unit; the same for every face: take another
/// place of it for another look. It repeats after 32 units. |u| and |v| up to 2,000.
float noise(float u, float v);

/// Row `y` of white Gaussian noise of variance 1: 256 values, which repeat after 256 rows.
const float* white_noise_row(int y);
inline constexpr int kNoisePeriod = 256;

}  // namespace bauta::faces
