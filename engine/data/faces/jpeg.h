#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/faces/render.h"

namespace bauta {

/// The face as a baseline JPEG file, at its own quality and chroma subsampling. Its comment is "rendered by
/// bauta": wherever the file goes, nobody takes it for a photograph.
std::vector<std::uint8_t> encode_jpeg(const RenderedFace& face);

}  // namespace bauta
