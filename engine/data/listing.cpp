#include "engine/data/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/data/class_names.h"
#include "engine/io/json.h"

namespace bauta {

void warn_of_look_alikes(const std::vector<std::string>& classes, const std::string& path, const Warn& warn) {
  std::map<std::string, std::string> known;  // the first class with these letters
  for (const std::string& name : classes) {
    const auto [first, is_new] = known.emplace(letters_of(name), name);
    if (is_new || !warn) continue;
    warn(fmt::format("'{}' and '{}' are two classes: if they are one, give them one name ({})", first->second,
                     name, path));
  }
}

Status check_classes(const std::vector<std::string>& classes, const std::vector<std::int32_t>& labels,
                     bool to_train, const std::string& path) {
  if (labels.empty()) return Status::error("there are no images", path, "give a data set that has some");
  if (to_train && classes.size() < 2) {
    return Status::error(
        classes.empty() ? "there are no classes" : "there is only one class, " + classes[0], path,
        "give the images of each class a folder of their own, or write a manifest path,label");
  }
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (!is_utf8(classes[c])) {
      return Status::error("the name of class " + classes[c] + " is not UTF-8", path, "rename it");
    }
    if (std::ranges::count(classes, classes[c]) > 1) {
      return Status::error("two classes are called " + classes[c], path,
                           "give every class a name of its own");
    }
    const auto count = std::ranges::count(labels, static_cast<std::int32_t>(c));
    if (to_train && count < 2) {
      return Status::error("class " + classes[c] + " has " + (count == 0 ? "no image" : "only one image") +
                               " that can be read",
                           path, "give every class at least 2 images, or take it out of the data set");
    }
  }
  return {};
}

}  // namespace bauta
