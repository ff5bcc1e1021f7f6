#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>

/// CUDA's own types, as the kernels that run on the CPU see them.
namespace bauta::simt {

struct dim3 {
  unsigned x, y, z;

  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
  bool operator==(const dim3&) const = default;
};

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }

/// bfloat16: the upper half of a float.
struct bf16 {
  std::uint16_t bits;
};
inline float to_float(bf16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}
/// Rounds to nearest, ties to even; a NaN stays one.
inline bf16 to_bf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return {0x7FFF};
  return {static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

namespace runtime {

/// Where in a kernel's source something happens.
using Where = std::source_location;

/// The file of a place, as it is named in the source tree: compiler caches put the way there from the build
/// folder before it.
inline const char* file_of(const Where& where) {
  const char* file = where.file_name();
  while (std::strncmp(file, "../", 3) == 0) file += 3;
  return file;
}

enum class Access { load, store, atomic };

}  // namespace runtime
}  // namespace bauta::simt
