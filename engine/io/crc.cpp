#include "engine/io/crc.h"

#include <array>

namespace bauta {
namespace {

using Table = std::array<std::uint32_t, 256>;

// By a byte, what it adds; the polynomial's lowest power comes first.
constexpr Table make_table(std::uint32_t polynomial) {
  Table table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? polynomial : 0U);
    table[byte] = crc;
  }
  return table;
}

std::uint32_t crc_by(const Table& table, std::span<const std::byte> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : bytes)
    crc = (crc >> 8) ^ table[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  return ~crc;
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) {
  static constexpr Table kTable = make_table(0xEDB88320);
  return crc_by(kTable, bytes);
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  static constexpr Table kTable = make_table(0x82F63B78);
  return crc_by(kTable, bytes);
}

}  // namespace bauta
