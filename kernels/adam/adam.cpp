#include "kernels/adam/adam.h"

#include <cmath>

#include "kernels/adam/adam_backends.h"
#include "kernels/check.h"

namespace bauta {
namespace {

// Written so that NaN fails.
Status check(const AdamStep& a) {
  const auto wrong = [](const char* name, double value, const char* fix) {
    return Status::error(std::string("adam: ") + name + " is " + std::to_string(value), {}, fix);
  };
  if (!(a.lr >= 0)) return wrong("lr", a.lr, "it must be at least 0");
  if (!(a.beta1 >= 0 && a.beta1 < 1)) return wrong("beta1", a.beta1, "it must be at least 0 and less than 1");
  if (!(a.beta2 >= 0 && a.beta2 < 1)) return wrong("beta2", a.beta2, "it must be at least 0 and less than 1");
  if (!(a.epsilon >= 0)) return wrong("epsilon", a.epsilon, "it must be at least 0");
  if (a.step >= 1) return {};
  return Status::error("adam: step is " + std::to_string(a.step), {}, "steps are counted from 1");
}

}  // namespace

Result<AdamNumbers> adam_numbers(const AdamStep& a) {
  BAUTA_TRY(check(a));
  const auto rounded = [](double value) { return static_cast<float>(value); };
  return AdamNumbers{rounded(a.beta1),
                     rounded(1 - a.beta1),
                     rounded(a.beta2),
                     rounded(1 - a.beta2),
                     rounded(a.lr / (1 - std::pow(a.beta1, a.step))),
                     rounded(std::sqrt(1 - std::pow(a.beta2, a.step))),
                     rounded(a.epsilon),
                     0};
}

Status adam_step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
                 float* w, float* m, float* v) {
  BAUTA_TRY(check_length("adam", size));
  return BAUTA_PICK_BACKEND(context, adam_backend).step(context, numbers, skip, size, g, w, m, v);
}

}  // namespace bauta
