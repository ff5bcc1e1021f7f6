#include "engine/data/part.h"

#include <cctype>

namespace bauta {

const char* name_of(Part part) {
  switch (part) {
    case Part::train:
      return "train";
    case Part::val:
      return "val";
    case Part::test:
      return "test";
  }
  return "";
}

std::optional<Part> part_named(const std::string& word) {
  std::string name = word;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name == "train" || name == "training") return Part::train;
  if (name == "val" || name == "valid" || name == "validation" || name == "dev") return Part::val;
  if (name == "test" || name == "testing") return Part::test;
  return {};
}

}  // namespace bauta
