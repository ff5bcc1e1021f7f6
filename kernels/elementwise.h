#pragma once

#include "kernels/common.h"
#include "kernels/simd.h"

namespace bauta::BAUTA_ISA {

/// Calls body(i, lanes) for the vectors that begin at elements i = 0, kWidth, 2·kWidth ... of arrays of
/// `size`; `lanes` is kWidth, or less in the last. Chunks of 16,384 elements are shared among the threads:
/// enough to hide what handing one out costs, few enough that no thread waits long for the last.
template <class Body>
void for_vectors(const Context& context, Index size, Body body) {
  constexpr Index kChunk = 16384;
  parallel_for(context, static_cast<int>((size + kChunk - 1) / kChunk), [&](int chunk, int) {
    Index i = chunk * kChunk;
    const Index end = size - i < kChunk ? size : i + kChunk;
    for (; i + kWidth <= end; i += kWidth) body(i, kWidth);
    if (i < end) body(i, static_cast<int>(end - i));
  });
}

}  // namespace bauta::BAUTA_ISA
