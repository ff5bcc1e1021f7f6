#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/listing.h"

namespace bauta {

/// Decodes the images of a listing to options.size in options.threads threads, and hands the pixels [H, W, 3]
/// of each that can be decoded to `take`, in order; holds a few hundred at a time. Returns the indices of
/// those. Of the others options.warn is told one by one, and their number at the end, and of images that are
/// the same (Copies); with options.strict the first that cannot be decoded is an error, and so is
/// options.stop.
Result<std::vector<int>> decode_images(const Listing& listing, const OpenOptions& options,
                                       const std::function<Status(std::span<const std::uint8_t>)>& take);

}  // namespace bauta
