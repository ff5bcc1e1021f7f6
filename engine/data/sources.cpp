#include "engine/data/sources.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "engine/data/class_names.h"
#include "engine/io/file.h"

namespace bauta {
namespace {

Result<Listing> list_manifest_file(const std::string& path, const Warn& warn) {
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  return list_manifest(file->text(), path, warn);
}

}  // namespace

Status check_image_size(ImageSize size) {
  const auto in_range = [](int side) { return side >= 1 && side <= ImageSize::kMaxSide; };
  if (in_range(size.height) && in_range(size.width) && size.channels == 3) return {};
  return Status::usage(
      "images are RGB, with sides of 1 to " + std::to_string(ImageSize::kMaxSide) + " pixels", {},
      "use a network whose input is such an image");
}

Result<SourceKind> source_kind(const std::string& path) {
  std::error_code unused;
  if (std::filesystem::is_directory(path, unused)) return SourceKind::folder;
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  const std::string_view text = file->text();
  // A safetensors file begins with the length of its JSON header; the name tells what a damaged one was.
  constexpr std::size_t kLengthBytes = 8;
  if (text.substr(std::min(kLengthBytes, text.size()), 1) == "{" || path.ends_with(".safetensors")) {
    return SourceKind::pack;
  }
  const bool json = text.starts_with('{') || text.starts_with('[');
  if (json || text.find('\0') != std::string_view::npos) {
    return Status::error(json ? "this is JSON, and no data set" : "this is no data set", path,
                         "give a folder with one folder per class, a CSV manifest, or a pack");
  }
  return SourceKind::manifest;
}

Result<Listing> list_images(const std::string& path, SourceKind kind, const OpenOptions& options) {
  Result<Listing> listing =
      kind == SourceKind::folder ? list_folder(path, options.warn) : list_manifest_file(path, options.warn);
  if (!listing.ok()) return listing;
  std::vector<std::int32_t> labels;
  for (const ListedImage& image : listing->images) labels.push_back(image.label);
  warn_of_look_alikes(listing->classes, path, options.warn);
  BAUTA_TRY(check_classes(listing->classes, labels, options.to_train, path));
  if (!options.classes.empty()) BAUTA_TRY(map_classes(listing->classes, options.classes, path).status());
  return listing;
}

Dataset::Contents contents_of(const Listing& listing, const std::vector<int>& kept, ImageSize size) {
  Dataset::Contents contents;
  contents.size = size;
  contents.classes = listing.classes;
  contents.left_out = static_cast<int>(listing.images.size() - kept.size());
  for (int i : kept) {
    const ListedImage& image = listing.images[static_cast<std::size_t>(i)];
    contents.names.push_back(image.name);
    contents.labels.push_back(image.label);
    contents.groups.push_back(image.group);
    if (listing.is_split) contents.parts.push_back(image.part);
  }
  if (std::ranges::all_of(contents.groups, [](std::int32_t group) { return group < 0; }))
    contents.groups.clear();
  return contents;
}

}  // namespace bauta
