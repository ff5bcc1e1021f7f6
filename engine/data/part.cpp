#include "engine/data/part.h"

#include "engine/data/class_names.h"

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
  const std::string name = lower_case(word);
  if (name == "train" || name == "training") return Part::train;
  if (name == "val" || name == "valid" || name == "validation" || name == "dev") return Part::val;
  if (name == "test" || name == "testing") return Part::test;
  return {};
}

}  // namespace bauta
