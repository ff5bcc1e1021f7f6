#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/data/part.h"
#include "kernels/status.h"

namespace bauta {

/// One image that a data set lists, not looked into yet.
struct ListedImage {
  std::string name;         ///< as listed: the manifest's words, or relative to the data set's folder
  std::string file;         ///< the path to open
  std::int32_t label = 0;   ///< an index into the listing's classes
  std::int32_t group = -1;  ///< numbered by first appearance; -1: none
  Part part = Part::train;  ///< where the listing is split
};

/// What a data set lists, in its unshuffled order.
struct Listing {
  std::vector<std::string> classes{};  ///< in label order
  std::vector<ListedImage> images{};
  bool is_split = false;  ///< the data set says itself what each image is for
};

using Warn = std::function<void(std::string_view)>;  ///< takes one line; may be empty

/// The images of a folder with one folder per class, at any depth inside it. Hidden files are passed over,
/// other files that are not images by their extension are counted in a warning. Order: class (see
/// classes_of), then path bytewise.
///
/// Where the folders are called as parts of a data set are (part_named), each holds a folder per class, and
/// the data set comes split. Folders of both kinds are an error, and so are parts within each class.
Result<Listing> list_folder(const std::string& folder, const Warn& warn);

/// An image that was found in a folder; or a folder in it that cannot be looked into, and why.
struct FoundImage {
  std::string path;
  Status status;
};

/// The images in a folder, at any depth and bytewise, by the same rules.
std::vector<FoundImage> images_in(const std::string& folder, const Warn& warn);

/// The images of a manifest, in the order of its rows. `text` is the content of `file`: the header line
/// `path,label`, to which `,group` and `,split` may be added, and a row per image. Paths are absolute, or
/// relative to the manifest's folder. Labels are names, as those of folders; or all numbers: 0 and 1 are the
/// study's classes, which a warning says, and any other numbers are names, in numeric order. A group is any
/// word; empty means none. A split is the name of a part (part_named); of a group in more than one there is a
/// warning.
Result<Listing> list_manifest(std::string_view text, const std::string& file, const Warn& warn);

/// Warns of classes whose names differ by no more than case, spaces, and -, _ or full stops: a slip, perhaps.
void warn_of_look_alikes(const std::vector<std::string>& classes, const std::string& path, const Warn& warn);

/// An error unless there are labels, and classes of different names; to train, at least two of them with at
/// least 2 labels each.
Status check_classes(const std::vector<std::string>& classes, const std::vector<std::int32_t>& labels,
                     bool to_train, const std::string& path);

}  // namespace bauta
