#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/rng.h"
#include "engine/data/dataset.h"

namespace bauta {

/// `count` images of noise, labelled in turn.
inline Dataset noise_dataset(int count, ImageSize size, const std::vector<std::string>& classes) {
  Dataset::Contents contents;
  contents.size = size;
  contents.classes = classes;
  const auto pixels = std::make_shared<std::vector<std::uint8_t>>();
  Rng rng(1, RngStream::render);
  for (int i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < size.bytes(); ++k)
      pixels->push_back(static_cast<std::uint8_t>(rng.below(256)));
    contents.labels.push_back(i % static_cast<int>(classes.size()));
    contents.names.push_back("image " + std::to_string(i));
  }
  contents.pixels = *pixels;
  contents.storage = pixels;
  return Dataset(std::move(contents));
}

}  // namespace bauta
