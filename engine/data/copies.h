#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "engine/data/listing.h"

namespace bauta {

/// Finds duplicates in a data set: images whose pixels at the data set's size are equal, by a 64-bit hash (of
/// 100,000 different images: one false match in some 4·10^9 data sets). Some fifty bytes an image.
class Copies {
 public:
  /// `listing` outlives it. To train: copies that a random split would part matter as well.
  Copies(const Listing& listing, bool to_train) : listing_(listing), to_train_(to_train) {}

  /// Takes image i of the listing, whose pixels are [H, W, 3]; i ascends.
  void add(int i, std::span<const std::uint8_t> pixels);

  /// A line for each thing that is wrong: images in more than one class, of which one label must be; in more
  /// than one part, so that a network is judged by what it has trained on; and, where parts are made at
  /// random, copies that have no group in common.
  void tell(const Warn& warn) const;

 private:
  /// Images of which that is wrong: how many, and the first of them with the one that it is the same as.
  struct Matter {
    int count = 0;
    int image = 0;
    int same_as = 0;

    void add(int i, int other) {
      if (count++ == 0) image = i, same_as = other;
    }
  };
  std::string words_of(const Matter& matter, const char* other) const;

  const Listing& listing_;
  const bool to_train_;
  std::unordered_map<std::uint64_t, int> first_;  // of the images with these pixels
  Matter classes_;
  Matter parts_;
  Matter apart_;
};

}  // namespace bauta
