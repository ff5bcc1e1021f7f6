#pragma once

#include "engine/data/faces/background.h"
#include "engine/data/faces/stage.h"

namespace bauta::faces {

/// The light that the canvas throws back, over the background.
Picture light(const Stage& stage, Picture background);

/// What a camera makes of a picture: blur, exposure, colour balance, noise, bytes. RGB, [height, width, 3].
std::vector<std::uint8_t> develop(Picture picture, const Camera& camera);

}  // namespace bauta::faces
