#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "engine/data/listing.h"

namespace bauta {

/// Looks for images of a data set that are the same, pixel for pixel at the data set's size, by whatever
/// name. Some fifty bytes an image. By a hash of 64 bits: of a hundred thousand images two that differ are
/// taken for the same in one data set of billions.
class Copies {
 public:
  /// `listing` outlives it. To train: copies that a random split would part matter as well.
  Copies(const Listing& listing, bool to_train) : listing_(listing), to_train_(to_train) {}

  /// Image i of the listing, after those before it.
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
