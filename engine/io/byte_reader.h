#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace bauta {

/// Reads unsigned integers of either byte order; what lies outside of the bytes reads as 0.
struct ByteReader {
  std::span<const std::byte> bytes;
  bool little_endian = false;

  /// The integer of `size` bytes, at most 8, at `offset`.
  std::size_t number(std::size_t offset, std::size_t size) const {
    if (offset > bytes.size() || size > bytes.size() - offset) return 0;
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t at = offset + (little_endian ? size - 1 - i : i);
      value = value << 8 | std::to_integer<std::size_t>(bytes[at]);
    }
    return value;
  }
};

inline bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

}  // namespace bauta
