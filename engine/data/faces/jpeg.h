#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/faces/render.h"

namespace bauta {

/// The face as a baseline JPEG file, at its own quality and chroma subsampling.
std::vector<std::uint8_t> encode_jpeg(const RenderedFace& face);

}  // namespace bauta
