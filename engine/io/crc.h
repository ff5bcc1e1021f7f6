#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bauta {

/// PNG's CRC-32: polynomial 0x04C11DB7, reflected (ISO 3309).
std::uint32_t crc32(std::span<const std::byte> bytes);

/// TFRecord's CRC-32C: polynomial 0x1EDC6F41, reflected (RFC 3720, B.4).
std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace bauta
