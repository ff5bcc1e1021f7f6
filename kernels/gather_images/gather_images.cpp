#include "kernels/gather_images/gather_images.h"

#include "kernels/check.h"
#include "kernels/gather_images/gather_images_backends.h"

namespace bauta {
namespace {

Status check(const GatherImagesShape& s, bool augmented) {
  BAUTA_TRY(check_sizes("gather_images", {{"batch", s.batch},
                                          {"height", s.height},
                                          {"width", s.width},
                                          {"channels", s.channels},
                                          {"images", s.images}}));
  if (!augmented || s.channels == 3) return {};
  return Status::error(
      "gather_images: images of " + std::to_string(s.channels) + " channels are to be augmented", {},
      "only images of 3 are");
}

Status check_samples(const GatherImagesShape& s, const std::int32_t* samples) {
  for (Index n = 0; n < s.batch; ++n) {
    if (samples[n] < 0 || samples[n] >= s.images) {
      return Status::error("gather_images: sample " + std::to_string(n) + " is " + std::to_string(samples[n]),
                           {}, "samples count from 0 to " + std::to_string(s.images - 1));
    }
  }
  return {};
}

}  // namespace

Status gather_images(const Context& context, const GatherImagesShape& s, const std::uint8_t* images,
                     const std::int32_t* samples, const AugmentParams* augment, float* y) {
  BAUTA_TRY(check(s, augment != nullptr));
  if (context.backend != Backend::cuda) BAUTA_TRY(check_samples(s, samples));
  return BAUTA_PICK_BACKEND(context, gather_images_backend).forward(context, s, images, samples, augment, y);
}

}  // namespace bauta
