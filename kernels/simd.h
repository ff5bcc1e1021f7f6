#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/// One vector of floats and what the CPU kernels do with it. A *_cpu.cpp is compiled once per ISA, with the ISA's
/// flags and with BAUTA_ISA set to its name; everything in it lives in that namespace, so that no function
/// compiled for a wide ISA can be linked into code that runs on a narrow one. For the same reason these files
/// keep to headers whose inline functions they do not instantiate.
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
#else
  return a * b + c;
#endif
}

/// The first `count` < kWidth floats at p, zeros behind them; reads no further.
inline Vec load_partial(const float* p, int count) {
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(float));
  return v;
}

inline void store_partial(float* p, Vec v, int count) {
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(float));
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
