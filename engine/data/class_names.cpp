#include "engine/data/class_names.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace bauta {
namespace {

// In lower case without separators.
constexpr std::array kWithMask = {
    "withmask",   "withmasks", "mask",         "masks",       "masked",
    "maskon",     "maskyes",   "yesmask",      "wearmask",    "wearingmask",
    "maskedface", "facemask",  "withfacemask", "maskedfaces", "afdbmaskedfacedataset"};
constexpr std::array kWithoutMask = {
    "withoutmask", "withoutmasks", "nomask",        "nomasks",    "unmasked",        "notmasked",
    "nonmasked",   "nonmask",      "notmask",       "maskoff",    "maskno",          "maskless",
    "bareface",    "unmaskedface", "unmaskedfaces", "nofacemask", "withoutfacemask", "afdbfacedataset"};

}  // namespace

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string letters_of(std::string_view name) {
  std::string letters = lower_case(std::string(name));
  std::erase_if(letters, [](char c) { return c == '_' || c == '-' || c == '.' || c == ' '; });
  return letters;
}

const std::vector<std::string>& study_classes() {
  static const std::vector<std::string> classes = {"without_mask", "with_mask"};
  return classes;
}

std::string canonical_class(std::string_view name) {
  const std::string letters = letters_of(name);
  if (std::ranges::find(kWithoutMask, letters) != kWithoutMask.end()) return study_classes()[0];
  if (std::ranges::find(kWithMask, letters) != kWithMask.end()) return study_classes()[1];
  return std::string(name);
}

std::vector<std::string> classes_of(const std::vector<std::string>& names) {
  const std::vector<std::string>& study = study_classes();
  const bool all_known = std::ranges::all_of(names, [&](const std::string& name) {
    return std::ranges::find(study, canonical_class(name)) != study.end();
  });
  if (all_known && !names.empty()) return study;
  std::vector<std::string> classes = names;
  std::ranges::sort(classes);
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

int class_index(std::string_view name, const std::vector<std::string>& classes) {
  auto found = std::ranges::find(classes, name);
  if (found == classes.end()) {
    found = std::ranges::find_if(classes, [wanted = canonical_class(name)](const std::string& c) {
      return canonical_class(c) == wanted;
    });
  }
  return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
}

Result<std::vector<std::int32_t>> map_classes(const std::vector<std::string>& classes,
                                              const std::vector<std::string>& wanted,
                                              const std::string& path) {
  std::vector<std::int32_t> indices;
  for (const std::string& name : classes) {
    indices.push_back(class_index(name, wanted));
    if (indices.back() >= 0) continue;
    std::string what = "class " + name + " of the data set is not one of the network's:";
    for (const std::string& known : wanted) what.append(&known == wanted.data() ? " " : ", ").append(known);
    return Status::error(what, path, "rename it, or use weights that were trained on these classes");
  }
  return indices;
}

}  // namespace bauta
