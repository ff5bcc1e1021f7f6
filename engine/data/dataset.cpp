#include "engine/data/dataset.h"

#include <algorithm>

#include "engine/core/buffer.h"
#include "engine/core/hash.h"
#include "engine/core/host.h"
#include "engine/data/class_names.h"
#include "engine/data/decode.h"
#include "engine/data/sources.h"

namespace bauta {
namespace {

Status check_memory(std::size_t bytes, const std::string& path) {
  if (bytes <= usable_memory() / 2) return {};
  constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  return Status::error("decoded, these images need " + std::to_string(bytes / kMebibyte) +
                           " MiB, more than half of the memory that this process may use",
                       path, "pack the data set first (bauta data pack) and open the pack");
}

/// An error unless each of the classes wanted is one of the data set's.
Status check_all_are_there(const std::vector<std::string>& wanted, const std::vector<std::int32_t>& there,
                           const std::string& path) {
  for (std::size_t c = 0; c < wanted.size(); ++c) {
    if (std::ranges::find(there, static_cast<std::int32_t>(c)) != there.end()) continue;
    return Status::error("the data set has no class " + wanted[c] + ", and the network has", path,
                         "add images of it, or train from weights that are for these classes");
  }
  return {};
}

/// Opens a folder or manifest.
Result<Dataset::Contents> decode_all(const std::string& path, SourceKind kind, const OpenOptions& options) {
  const Result<Listing> listing = list_images(path, kind, options);
  if (!listing.ok()) return listing.status();
  BAUTA_TRY(check_memory(listing->images.size() * options.size.bytes(), path));

  const auto pixels = std::make_shared<Buffer<std::uint8_t>>(listing->images.size() * options.size.bytes());
  std::size_t used = 0;
  const auto keep = [&](std::span<const std::uint8_t> image) {
    std::ranges::copy(image, pixels->data() + used);
    used += image.size();
    return Status();
  };
  const Result<std::vector<int>> kept = decode_images(*listing, options, keep);
  if (!kept.ok()) return kept.status();
  Dataset::Contents contents = contents_of(*listing, *kept, options.size);
  contents.pixels = std::span<const std::uint8_t>(pixels->data(), used);
  contents.storage = pixels;
  return contents;
}

}  // namespace

std::uint64_t Dataset::fingerprint() const {
  Hash hash;
  for (int side : {contents_.size.height, contents_.size.width, contents_.size.channels}) {
    hash.add_word(static_cast<std::uint64_t>(side));
  }
  hash.add(contents_.classes);
  hash.add(contents_.names);
  hash.add(std::as_bytes(std::span(contents_.labels)));
  hash.add(std::as_bytes(std::span(contents_.groups)));
  if (is_split()) hash.add(std::as_bytes(std::span(contents_.parts)));
  hash.add(std::as_bytes(contents_.pixels));
  return hash.value();
}

Result<Dataset> open_dataset(const std::string& path, const OpenOptions& options) {
  BAUTA_TRY(check_image_size(options.size));
  const Result<SourceKind> kind = source_kind(path);
  if (!kind.ok()) return kind.status();
  Result<Dataset::Contents> contents =
      *kind == SourceKind::pack ? open_pack(path, options.size) : decode_all(path, *kind, options);
  if (!contents.ok()) return contents.status();
  BAUTA_TRY(check_classes(contents->classes, contents->labels, options.to_train, path));
  if (!options.classes.empty()) {
    const Result<std::vector<std::int32_t>> index = map_classes(contents->classes, options.classes, path);
    if (!index.ok()) return index.status();
    if (options.to_train) BAUTA_TRY(check_all_are_there(options.classes, *index, path));
    for (std::int32_t& label : contents->labels) label = (*index)[static_cast<std::size_t>(label)];
    contents->classes = options.classes;
  }
  return Dataset(std::move(*contents));
}

}  // namespace bauta
