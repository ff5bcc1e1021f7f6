#include "engine/data/copies.h"

#include "engine/core/hash.h"

namespace bauta {

void Copies::add(int i, std::span<const std::uint8_t> pixels) {
  Hash hash;
  hash.add(std::as_bytes(pixels));
  const int first = first_.emplace(hash.value(), i).first->second;
  if (first == i) return;
  const ListedImage& image = listing_.images[static_cast<std::size_t>(i)];
  const ListedImage& other = listing_.images[static_cast<std::size_t>(first)];
  if (image.label != other.label) classes_.add(i, first);
  if (image.part != other.part) parts_.add(i, first);
  const bool together = image.group >= 0 && image.group == other.group;
  if (to_train_ && !listing_.is_split && !together) apart_.add(i, first);
}

std::string Copies::words_of(const Matter& matter, const char* other) const {
  const auto name = [&](int i) { return listing_.images[static_cast<std::size_t>(i)].name; };
  return std::to_string(matter.count) +
         (matter.count == 1 ? " image is a copy of " : " images are copies of ") + other + " (" +
         (matter.count == 1 ? "" : "the first: ") + name(matter.image) + " of " + name(matter.same_as) + ")";
}

void Copies::tell(const Warn& warn) const {
  if (!warn) return;
  if (classes_.count > 0)
    warn(words_of(classes_, "one in another class") + ": one of the two labels is wrong");
  if (parts_.count > 0)
    warn(words_of(parts_, "one in another part") + ": a network is judged there by what it has seen");
  if (apart_.count > 0) {
    warn(words_of(apart_, apart_.count == 1 ? "another" : "others") +
         ": what validates may have been trained on; take them out, or give copies a group in common");
  }
}

}  // namespace bauta
