#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace bauta {

enum class Schedule { constant, cosine };

/// The learning rate of step `step` (from 1) of `steps`: `lr` throughout, or
/// lr·(1 + cos(π·(step-1)/steps))/2.                      (Loshchilov and Hutter, 2017, without restarts)
inline float scheduled_lr(Schedule schedule, float lr, std::int64_t step, std::int64_t steps) {
  if (schedule == Schedule::constant) return lr;
  const double progress = static_cast<double>(step - 1) / static_cast<double>(steps);
  return static_cast<float>(lr * (1 + std::cos(std::numbers::pi * progress)) / 2);
}

}  // namespace bauta
