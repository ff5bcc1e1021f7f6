#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bauta {

/// What a sample is for, of a data set that comes split.
enum class Part : std::uint8_t { train, val, test };

/// "train", "val" or "test".
const char* name_of(Part part);

/// The part that people call so: train or training; val, valid, validation or dev; test or testing; in any
/// case. None for other words.
std::optional<Part> part_named(const std::string& word);

}  // namespace bauta
