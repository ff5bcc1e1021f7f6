#pragma once

#include "engine/data/faces/face.h"

namespace bauta::faces {

/// What lies behind the head, out of focus: painted at a quarter of the size and enlarged.
Picture paint_background(const Face& face);

}  // namespace bauta::faces
