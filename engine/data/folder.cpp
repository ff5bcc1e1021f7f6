#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <tuple>

#include "engine/data/class_names.h"
#include "engine/data/listing.h"

namespace bauta {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 16;  // of folders in a class
constexpr std::array kImageExtensions = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga", ".ppm", ".pgm"};

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

/// False also where that cannot be told: opening the file will say why.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code unused;
  return entry.is_directory(unused);
}

bool is_image(const fs::path& path) {
  const std::string extension = lower_case(path.extension().native());
  return std::ranges::find(kImageExtensions, extension) != kImageExtensions.end();
}

Status unreadable(const std::string& path, const std::error_code& code) {
  return Status::error("the folder cannot be read: " + code.message(), path,
                       "check the path and its permissions");
}

/// Files passed over: how many, and the first of them.
struct Ignored {
  int count = 0;
  std::string first;

  void add(const fs::path& file) {
    if (count++ == 0 || file.native() < first) first = file.native();
  }
  /// `others`: what else may be wrong with them.
  void tell(const Warn& warn, const char* others) const {
    if (count == 0 || !warn) return;
    warn(std::to_string(count) + (count == 1 ? " file was" : " files were") +
         " ignored: by name not JPEG, PNG, BMP, GIF, TGA, PPM or PGM" + others + " (the first: " + first +
         ")");
  }
};

/// A class's folder and the images in it.
struct ClassFolder {
  std::string name;
  Part part = Part::train;
  std::vector<FoundImage> files{};
};

/// The folders in a folder, but hidden ones.
Result<std::vector<fs::path>> folders_in(const fs::path& folder, Ignored& ignored) {
  std::vector<fs::path> folders;
  std::error_code code;
  fs::directory_iterator it(folder, code);
  for (; !code && it != fs::directory_iterator(); it.increment(code)) {
    if (is_hidden(it->path())) continue;
    if (is_folder(*it)) {
      folders.push_back(it->path());
    } else {
      ignored.add(it->path());
    }
  }
  if (code) return unreadable(folder.native(), code);
  std::ranges::sort(folders);
  return folders;
}

/// Whether this is a link to a folder that it lies in.
bool leads_back(const fs::directory_entry& entry) {
  std::error_code unused;
  if (!entry.is_symlink(unused)) return false;
  const fs::path around = fs::canonical(entry.path().parent_path(), unused);
  const fs::path target = fs::canonical(entry.path(), unused);
  return !target.empty() && std::ranges::mismatch(target, around).in1 == target.end();
}

/// Adds the images in a folder, at any depth, to `found`, and the folders that cannot be looked into.
void scan(const fs::path& folder, int depth, std::vector<FoundImage>& found, Ignored& ignored) {
  const auto refuse = [&](const fs::path& path, const std::string& why, const std::string& fix) {
    found.push_back({path.native(), Status::error(why, path.native(), fix)});
  };
  if (depth > kMaxDepth) {
    refuse(folder, "folders are nested more than " + std::to_string(kMaxDepth) + " deep",
           "look for links that lead back to a folder around them");
    return;
  }
  std::error_code code;
  for (fs::directory_iterator it(folder, code); !code && it != fs::directory_iterator(); it.increment(code)) {
    const fs::path& path = it->path();
    if (is_hidden(path)) continue;
    if (is_folder(*it) && leads_back(*it)) {
      refuse(path, "the link leads back to a folder around it", "take it out");
    } else if (is_folder(*it)) {
      scan(path, depth + 1, found, ignored);
    } else if (is_image(path)) {
      found.push_back({path.native(), {}});
    } else {
      ignored.add(path);
    }
  }
  if (code) found.push_back({folder.native(), unreadable(folder.native(), code)});
}

Status scan_classes(const std::vector<fs::path>& folders, Part part, std::vector<ClassFolder>& found,
                    Ignored& ignored) {
  for (const fs::path& folder : folders) {
    found.push_back({folder.filename().native(), part});
    scan(folder, 0, found.back().files, ignored);
    for (const FoundImage& file : found.back().files) BAUTA_TRY(file.status);
  }
  return {};
}

/// Whether these folders of the data set are parts of it rather than classes: two that are called so are
/// enough, and an error then that another is beside them.
Result<bool> are_parts(const std::vector<fs::path>& folders, const std::string& path) {
  const auto is_part = [](const fs::path& folder) {
    return part_named(folder.filename().native()).has_value();
  };
  const auto parts = std::ranges::count_if(folders, is_part);
  if (parts < 2) return false;
  if (parts == std::ssize(folders)) return true;
  const auto part = std::ranges::find_if(folders, is_part);
  const auto other = std::ranges::find_if_not(folders, is_part);
  return Status::error(part->filename().native() + " is a part of a data set, and " +
                           other->filename().native() + " beside it is none",
                       path, "take one of them out, or rename it");
}

Status scan_parts(const std::vector<fs::path>& parts, std::vector<ClassFolder>& found, Ignored& ignored) {
  for (const fs::path& part : parts) {
    const auto classes = folders_in(part, ignored);
    if (!classes.ok()) return classes.status();
    BAUTA_TRY(scan_classes(*classes, *part_named(part.filename().native()), found, ignored));
  }
  return {};
}

/// An error where all images lie in parts of their classes' folders.
Status check_no_parts_in_classes(const Listing& listing, const std::string& path) {
  std::set<Part> parts;
  for (const ListedImage& image : listing.images) {
    const fs::path name(image.name);
    const auto part = part_named((++name.begin())->native());
    if (!part) return {};
    parts.insert(*part);
  }
  if (parts.size() < 2) return {};
  return Status::error("the folders of classes hold parts of the data set, such as " +
                           fs::path(listing.images.front().name).parent_path().native(),
                       path, "make it the other way round, such as train/with_mask");
}

}  // namespace

Result<Listing> list_folder(const std::string& folder, const Warn& warn) {
  std::vector<ClassFolder> found;
  Ignored ignored;
  const auto folders = folders_in(folder, ignored);
  if (!folders.ok()) return folders.status();
  const auto split = are_parts(*folders, folder);
  if (!split.ok()) return split.status();
  BAUTA_TRY(*split ? scan_parts(*folders, found, ignored)
                   : scan_classes(*folders, Part::train, found, ignored));
  ignored.tell(warn, ", or in no class's folder");

  std::vector<std::string> names(found.size());
  std::ranges::transform(found, names.begin(), &ClassFolder::name);
  Listing listing{.classes = classes_of(names), .is_split = *split};
  // A trailing slash or not: names are what follows the folder.
  const std::size_t prefix = (fs::path(folder) / "").native().size();
  for (const ClassFolder& c : found) {
    const int label = class_index(c.name, listing.classes);
    for (const FoundImage& file : c.files)
      listing.images.push_back({file.path.substr(prefix), file.path, label, -1, c.part});
  }
  std::ranges::sort(listing.images, [](const ListedImage& a, const ListedImage& b) {
    return std::tie(a.label, a.name) < std::tie(b.label, b.name);
  });
  if (!*split) BAUTA_TRY(check_no_parts_in_classes(listing, folder));
  return listing;
}

std::vector<FoundImage> images_in(const std::string& folder, const Warn& warn) {
  std::vector<FoundImage> images;
  Ignored ignored;
  scan(folder, 0, images, ignored);
  ignored.tell(warn, "");
  std::ranges::sort(images, {}, &FoundImage::path);
  return images;
}

}  // namespace bauta
