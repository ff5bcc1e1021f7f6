#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/listing.h"

// The steps of opening and packing a data set.
namespace bauta {

/// An error unless a data set can be of this size.
Status check_image_size(ImageSize size);

/// The kinds of data sets that open_dataset knows.
enum class SourceKind { folder, manifest, pack };

/// What `path` is, told by its content: a folder, a safetensors file, or a text.
Result<SourceKind> source_kind(const std::string& path);

/// The images of a folder or manifest, whose classes are as options.to_train asks and map to options.classes.
Result<Listing> list_images(const std::string& path, SourceKind kind, const OpenOptions& options);

/// All but the pixels of the data set that the images at the indices `kept` make.
Dataset::Contents contents_of(const Listing& listing, const std::vector<int>& kept, ImageSize size);

/// The content of a pack, pixels mapped: see pack_dataset.
Result<Dataset::Contents> open_pack(const std::string& path, ImageSize size);

}  // namespace bauta
