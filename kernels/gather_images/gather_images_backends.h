#pragma once

#include "kernels/gather_images/gather_images.h"

namespace bauta {

/// What a backend gives for this op; the arguments are gather_images.h's, already checked.
struct GatherImagesBackend {
  Status (*forward)(const Context&, const GatherImagesShape&, const std::uint8_t* images,
                    const std::int32_t* samples, const AugmentParams* augment, float* y);
};
BAUTA_DECLARE_BACKENDS(GatherImagesBackend, gather_images_backend)

}  // namespace bauta
