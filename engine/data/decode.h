#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/listing.h"

namespace bauta {

/// Decodes `images` to options.size in options.threads threads, and hands the pixels [H, W, 3] of each that
/// can be decoded to `take`, in order; holds a few hundred at a time. Returns the indices of those. Of the
/// others options.warn is told one by one, and their number at the end; with options.strict the first is an
/// error, and so is options.stop.
Result<std::vector<int>> decode_images(const std::vector<ListedImage>& images, const OpenOptions& options,
                                       const std::function<Status(std::span<const std::uint8_t>)>& take);

}  // namespace bauta
