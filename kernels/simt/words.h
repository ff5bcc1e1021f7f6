#pragma once

#include <atomic>
#include <cmath>
#include <string>
#include <type_traits>

#include "kernels/simt/pointer.h"

// What CUDA adds to the language, as the kernels that run on the CPU see it.

// NOLINTBEGIN(bugprone-reserved-identifier)
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// `const` refuses plain arrays, whose accesses nothing would check: they lack the initializers that a Shared
// has.
#define __shared__ static thread_local constinit const
#define threadIdx (::bauta::simt::runtime::current->index)
#define blockIdx (::bauta::simt::runtime::current->block->index())
#define blockDim (::bauta::simt::runtime::current->block->shape().block)
#define gridDim (::bauta::simt::runtime::current->block->shape().grid)

namespace bauta::simt {

inline int min(int a, int b) { return a < b ? a : b; }

inline void __syncthreads(runtime::Where where = runtime::Where::current()) {
  runtime::current->block->barrier(*runtime::current, where);
}

inline void __syncwarp(unsigned mask = ~0U, runtime::Where where = runtime::Where::current()) {
  runtime::sync_warp(mask, where);
}

namespace runtime {

/// Calls meet() with what each lane brings, of type Lane.
template <class Lane>
void meet(unsigned mask, Together together, Lane& lane, const Where& where) {
  current->block->meet(*current, mask, together, &lane, where);
}

template <class T>
struct ShuffleLane {
  T value;
  int source;  ///< the lane to take the value of
  T result;
};

template <class T>
void shuffle_together(void* const* lanes, unsigned mask) {
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    auto* lane = static_cast<ShuffleLane<T>*>(lanes[i]);
    const auto source = static_cast<unsigned>(lane->source);
    if ((mask >> source & 1) != 0) lane->result = static_cast<ShuffleLane<T>*>(lanes[source])->value;
  }
}

template <class T>
T shuffle(unsigned mask, T value, int source, const Where& where) {
  if ((mask >> source & 1) == 0) {
    current->block->fault(FaultKind::warp_mask, *current, where,
                          "shuffle from lane " + std::to_string(source) + ", which is not in the mask",
                          "a lane may only take values of lanes in the mask");
  }
  ShuffleLane<T> lane{value, source, value};
  meet(mask, shuffle_together<T>, lane, where);
  return lane.result;
}

struct VoteLane {
  bool value;
  unsigned result;
};

inline void vote_together(void* const* lanes, unsigned mask) {
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0 && static_cast<VoteLane*>(lanes[i])->value) votes |= 1U << i;
  }
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) static_cast<VoteLane*>(lanes[i])->result = votes;
  }
}

}  // namespace runtime

// `width` cuts the warp into parts of 1, 2, 4, 8, 16 or 32 lanes that shuffle among themselves.

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              runtime::Where where = runtime::Where::current()) {
  const int first = runtime::current->lane / width * width;
  return runtime::shuffle(mask, value, first + (source & (width - 1)), where);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  runtime::Where where = runtime::Where::current()) {
  const int lane = runtime::current->lane;
  const int source = lane ^ bits;
  return runtime::shuffle(mask, value, source < (lane / width + 1) * width ? source : lane, where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned steps, int width = 32,
                   runtime::Where where = runtime::Where::current()) {
  const int lane = runtime::current->lane;
  const int source = lane + static_cast<int>(steps);
  return runtime::shuffle(mask, value, source < (lane / width + 1) * width ? source : lane, where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned steps, int width = 32,
                 runtime::Where where = runtime::Where::current()) {
  const int lane = runtime::current->lane;
  const int source = lane - static_cast<int>(steps);
  return runtime::shuffle(mask, value, source >= lane / width * width ? source : lane, where);
}

inline unsigned __ballot_sync(unsigned mask, bool value, runtime::Where where = runtime::Where::current()) {
  runtime::VoteLane lane{value, 0};
  runtime::meet(mask, runtime::vote_together, lane, where);
  return lane.result;
}

inline bool __any_sync(unsigned mask, bool value, runtime::Where where = runtime::Where::current()) {
  return __ballot_sync(mask, value, where) != 0;
}

inline bool __all_sync(unsigned mask, bool value, runtime::Where where = runtime::Where::current()) {
  return __ballot_sync(mask, value, where) == mask;
}

namespace runtime {

/// Replaces *p by change(*p) in one step and returns what it was. Blocks run on several OS threads at once.
template <class T, class Change>
T update(const Pointer<T>& p, Change change) {
  const std::atomic_ref<T> target(
      *reinterpret_cast<T*>(access(p.place(), Access::atomic, sizeof(T), alignof(T))));
  T old = target.load(std::memory_order_relaxed);
  while (!target.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace runtime

template <class T>
T atomicAdd(const Pointer<T>& p, std::type_identity_t<T> value) {
  return runtime::update(p, [&](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(const Pointer<T>& p, std::type_identity_t<T> value) {
  return runtime::update(p, [&](T old) { return old < value ? value : old; });
}
template <class T>
T atomicMin(const Pointer<T>& p, std::type_identity_t<T> value) {
  return runtime::update(p, [&](T old) { return value < old ? value : old; });
}
template <class T>
T atomicCAS(const Pointer<T>& p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return runtime::update(p, [&](T old) { return old == expected ? value : old; });
}

}  // namespace bauta::simt
// NOLINTEND(bugprone-reserved-identifier)
