#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace bauta {

/// A fast hash of bytes, eight at a time: multiply and shift, as MurmurHash does.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    add_word(bytes.size());
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) add_word(load(bytes.first(8)));
    if (!bytes.empty()) add_word(load(bytes));
  }
  void add(const std::vector<std::string>& texts) {
    add_word(texts.size());
    for (const std::string& text : texts) add(std::as_bytes(std::span(text)));
  }
  void add_word(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15;
    state_ ^= state_ >> 32;
  }
  std::uint64_t value() const { return state_; }

 private:
  static std::uint64_t load(std::span<const std::byte> bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    return word;
  }

  std::uint64_t state_ = 0;
};

}  // namespace bauta
