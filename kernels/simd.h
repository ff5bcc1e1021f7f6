#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// One vector of floats and what the CPU kernels do with it. A *_cpu.cpp is compiled once per ISA, with the
/// ISA's flags and with BAUTA_ISA set to its name; everything in it lives in that namespace, so that no
/// function compiled for a wide ISA can be linked into code that runs on a narrow one. For the same reason
/// these files keep to headers whose inline functions they do not instantiate.
namespace bauta::BAUTA_ISA {

#if defined(__AVX512F__)
inline constexpr int kWidth = 16;
#elif defined(__AVX2__)
inline constexpr int kWidth = 8;
#else
inline constexpr int kWidth = 4;
#endif

using Vec = float __attribute__((vector_size(kWidth * sizeof(float))));
using IntVec = std::int32_t __attribute__((vector_size(kWidth * sizeof(float))));
using ByteVec = std::uint8_t __attribute__((vector_size(kWidth)));

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

inline Vec broadcast(float x) { return x - Vec{}; }

inline Vec zero() { return Vec{}; }

/// a·b + c, rounded once where the ISA has a fused multiply-add.
inline Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return Vec(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(__AVX2__)
  return Vec(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#elif defined(__aarch64__)
  return Vec(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
  return a * b + c;
#endif
}

// The standard library's would be functions of its own, compiled for this ISA.
inline int smaller(int a, int b) { return a < b ? a : b; }
inline int larger(int a, int b) { return a > b ? a : b; }
/// a / b, rounded up; both positive.
inline int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// The first `count` < kWidth floats at p, zeros behind them; reads no further.
inline Vec load_partial(const float* p, int count) {
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(float));
  return v;
}

inline void store_partial(float* p, Vec v, int count) {
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(float));
}

/// `lanes` floats at p: all of the vector's, or the first few and zeros.
inline Vec load(const float* p, int lanes) { return lanes == kWidth ? load(p) : load_partial(p, lanes); }

inline void store(float* p, Vec v, int lanes) { lanes == kWidth ? store(p, v) : store_partial(p, v, lanes); }

/// `lanes` unsigned bytes at p as integers, zeros behind them.
inline IntVec load_bytes(const std::uint8_t* p, int lanes) {
  ByteVec v{};
  lanes == kWidth ? std::memcpy(&v, p, sizeof v) : std::memcpy(&v, p, static_cast<std::size_t>(lanes));
  return __builtin_convertvector(v, IntVec);
}

/// The lowest byte of each of the first `lanes` integers.
inline void store_bytes(std::uint8_t* p, IntVec v, int lanes) {
  const ByteVec bytes = __builtin_convertvector(v, ByteVec);
  lanes == kWidth ? std::memcpy(p, &bytes, sizeof bytes)
                  : std::memcpy(p, &bytes, static_cast<std::size_t>(lanes));
}

inline Vec to_floats(IntVec v) { return __builtin_convertvector(v, Vec); }

/// The correctly rounded square root.
inline Vec sqrt(Vec v) {
#if defined(__AVX512F__)
  return Vec(_mm512_maskz_sqrt_ps(0xFFFF, __m512(v)));  // g++ 12 warns of its own header in the unmasked one
#elif defined(__AVX2__)
  return Vec(_mm256_sqrt_ps(__m256(v)));
#elif defined(__x86_64__)
  return Vec(_mm_sqrt_ps(__m128(v)));
#elif defined(__aarch64__)
  return Vec(vsqrtq_f32(float32x4_t(v)));
#else
  for (int i = 0; i < kWidth; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

/// The sum of the lanes, by halves: (0+4)+(2+6)... in one fixed order.
inline float sum(Vec v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

}  // namespace bauta::BAUTA_ISA
