#include "kernels/maxpool/maxpool.h"

#include "kernels/check.h"
#include "kernels/maxpool/maxpool_backends.h"

namespace bauta {
namespace {

Status check(const MaxPoolShape& s) {
  BAUTA_TRY(check_sizes("maxpool", {{"batch", s.batch},
                                    {"in_h", s.in_h},
                                    {"in_w", s.in_w},
                                    {"channels", s.channels},
                                    {"window", s.window},
                                    {"stride", s.stride},
                                    {"out_h", s.out_h},
                                    {"out_w", s.out_w}}));
  if (s.window > kLargestPoolWindow) {
    return Status::error(
        "maxpool: window is " + std::to_string(s.window), {},
        "a place in the window is one byte, so it can be at most " + std::to_string(kLargestPoolWindow));
  }
  BAUTA_TRY(check_windows("maxpool", {"out_h", s.out_h}, s.in_h, s.window, s.stride));
  return check_windows("maxpool", {"out_w", s.out_w}, s.in_w, s.window, s.stride);
}

}  // namespace

Status maxpool_forward(const Context& context, const MaxPoolShape& s, const float* x, float* y,
                       std::uint8_t* argmax) {
  BAUTA_TRY(check(s));
  return BAUTA_PICK_BACKEND(context, maxpool_backend).forward(context, s, x, y, argmax);
}

Status maxpool_dgrad(const Context& context, const MaxPoolShape& s, const float* dy,
                     const std::uint8_t* argmax, float* dx) {
  BAUTA_TRY(check(s));
  return BAUTA_PICK_BACKEND(context, maxpool_backend).dgrad(context, s, dy, argmax, dx);
}

}  // namespace bauta
