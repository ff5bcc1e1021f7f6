#include "kernels/sgd/sgd.h"

#include "kernels/check.h"
#include "kernels/sgd/sgd_backends.h"

namespace bauta {
namespace {

// Written so that NaN fails.
Status check(const SgdStep& step) {
  if (!(step.lr >= 0)) {
    return Status::error("sgd: lr is " + std::to_string(step.lr), {}, "it must be at least 0");
  }
  if (step.momentum >= 0 && step.momentum < 1) return {};
  return Status::error("sgd: momentum is " + std::to_string(step.momentum), {},
                       "it must be at least 0 and less than 1");
}

}  // namespace

Result<SgdNumbers> sgd_numbers(const SgdStep& step) {
  BAUTA_TRY(check(step));
  return SgdNumbers{step.lr, step.momentum};
}

Status sgd_step(const Context& context, const float* numbers, const float* skip, Index size, const float* g,
                float* w, float* u) {
  BAUTA_TRY(check_length("sgd", size));
  return BAUTA_PICK_BACKEND(context, sgd_backend).step(context, numbers, skip, size, g, w, u);
}

}  // namespace bauta
