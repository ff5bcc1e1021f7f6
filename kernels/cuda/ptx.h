#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cuda/device.h"

/// The instructions that C++ has no words for: the one place with inline PTX, and beside it what it means in
/// plain C++, which is what runs on the CPU. Source: PTX ISA 9.0, sections 9.7.9.25 (cp.async), 9.7.13
/// (bar.sync) and 9.7.14 (mma, ldmatrix).
///
/// A fragment is the part of a small matrix that one lane holds. Lane l has row = l / 4 and pair = l % 4.
/// A register holds two bf16, that of the lower column (or k) in its lower half.
namespace bauta::BAUTA_DEVICE {

#if defined(__CUDACC__)
#define BAUTA_PTX __device__ __forceinline__
#else
#define BAUTA_PTX inline
#endif

/// The bits of a float.
BAUTA_PTX unsigned bits_of(float value) {
#if defined(__CUDACC__)
  return __float_as_uint(value);
#else
  return std::bit_cast<unsigned>(value);
#endif
}

/// The float with these bits.
BAUTA_PTX float float_of(unsigned bits) {
#if defined(__CUDACC__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

/// Two floats as a register of two bf16.
BAUTA_PTX unsigned pack_bf16(float low, float high) {
#if defined(__CUDACC__)
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&both);
#else
  return unsigned{to_bf16(low).bits} | unsigned{to_bf16(high).bits} << 16;
#endif
}

/// A register of two bf16 as two floats.
BAUTA_PTX void unpack_bf16(unsigned both, float& low, float& high) {
  low = float_of(both << 16);
  high = float_of(both & 0xFFFF0000);
}

/// a·b in 64 bits by one mul.wide; in a loop the compiler would rather widen a factor before it, and multiply
/// 64-bit numbers.
BAUTA_PTX Index mul_wide(int a, int b) {
#if defined(__CUDACC__)
  Index result;
  asm("mul.wide.s32 %0, %1, %2;" : "=l"(result) : "r"(a), "r"(b));
  return result;
#else
  return Index{a} * b;
#endif
}

/// The bytes that the four lower hexadecimal digits of `selector`, none above 7, name, the lowest first: 0 to
/// 3 are those of `low`, 4 to 7 those of `high`.
BAUTA_PTX unsigned prmt(unsigned low, unsigned high, unsigned selector) {
#if defined(__CUDACC__)
  unsigned result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(selector));
  return result;
#else
  const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i)
    result |= static_cast<unsigned>(bytes >> (selector >> 4 * i & 7U) * 8 & 0xFFU) << 8 * i;
  return result;
#endif
}

/// The larger of two floats, or a NaN where one is.
BAUTA_PTX float max_or_nan(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float result;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a > b || a != a ? a : b;
#endif
}

// --- bar.sync: a barrier of a part of the block ---

/// Waits for the threads of this thread's group, those with its threadIdx.y: whole warps, and at most 15
/// groups, as a block has 16 barriers of which __syncthreads uses one. What they wrote before is there
/// afterwards. Blocks have one plane (threadIdx.z is 0).
BAUTA_PTX void sync_group(
#if !defined(__CUDACC__)
    const runtime::Where& where = runtime::Where::current()
#endif
) {
#if defined(__CUDACC__)
  asm volatile("bar.sync %0, %1;" ::"r"(threadIdx.y + 1), "r"(blockDim.x) : "memory");
#else
  runtime::current->block->group_barrier(*runtime::current, where);
#endif
}

// --- cp.async: from global to shared memory without passing through registers ---

/// Starts copying kBytes (4 or 16, both sides aligned to it), or puts zeros in their place, where they are
/// not `valid`. The destination is not to be touched until the copying thread has waited. Before sm_80 it
/// copies at once.
template <int kBytes, class T>
BAUTA_PTX void cp_async(Ptr<T> shared, Ptr<const std::type_identity_t<T>> global, bool valid = true) {
  static_assert(kBytes == 4 || kBytes == 16);
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int read = valid ? kBytes : 0;  // what is not read becomes zeros
  if constexpr (kBytes == 16) {         // .cg bypasses L1; .ca, the only form for 4 bytes, keeps them there
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(read)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(kBytes),
                 "r"(read)
                 : "memory");
  }
#else
  using Vector = std::conditional_t<kBytes == 4, unsigned, uint4>;
  *reinterpret_cast<Vector*>(shared) = valid ? *reinterpret_cast<const Vector*>(global) : Vector{};
#endif
#else
  runtime::begin_copy(shared.place(), global.place(), kBytes, valid);
#endif
}

/// Makes a group of this thread's copies since the last commit; the group may be empty.
BAUTA_PTX void cp_async_commit() {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
#else
  runtime::commit_copies();
#endif
}

/// Waits until this thread's copies are done, but for its last kPending groups. Other threads see them after
/// a barrier.
template <int kPending>
BAUTA_PTX void cp_async_wait() {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
#else
  runtime::wait_copies(kPending);
#endif
}

// --- ldmatrix: fragments from shared memory ---

#if !defined(__CUDACC__)
namespace runtime {

struct LoadMatrixLane {
  const bf16* row;  ///< 8 elements
  unsigned (&fragments)[4];
  bool transpose;
};

inline void ldmatrix_together(void* const* lanes, unsigned) {
  for (int l = 0; l < 32; ++l) {
    auto& lane = *static_cast<LoadMatrixLane*>(lanes[l]);
    for (int matrix = 0; matrix < 4; ++matrix) {
      const auto element = [&](int row, int column) {
        if (lane.transpose) std::swap(row, column);
        return unsigned{static_cast<LoadMatrixLane*>(lanes[matrix * 8 + row])->row[column].bits};
      };
      const int column = l % 4 * 2;
      lane.fragments[matrix] = element(l / 4, column) | element(l / 4, column + 1) << 16;
    }
  }
}

}  // namespace runtime
#endif

/// Four 8x8 matrices of bf16. Lane l gives the address (16-byte aligned) of row l % 8 of matrix l / 8;
/// fragments[m] becomes elements (row, 2 pair) and (row, 2 pair + 1) of matrix m, or of its transpose. A
/// whole warp together.
template <bool kTranspose = false>
BAUTA_PTX void ldmatrix_x4(unsigned (&fragments)[4], Ptr<const bf16> row
#if !defined(__CUDACC__)
                           ,
                           const runtime::Where& where = runtime::Where::current()
#endif
) {
#if defined(__CUDACC__)
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTranspose) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
                 : "r"(from)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
                 : "r"(from)
                 : "memory");
  }
#else
  alignas(16) bf16 elements[8];
  std::memcpy(elements, runtime::access(row.place(), runtime::Access::load, 16, 16), sizeof elements);
  runtime::LoadMatrixLane lane{elements, fragments, kTranspose};
  runtime::meet(~0U, runtime::ldmatrix_together, lane, where);
#endif
}

// --- mma: products of small matrices on the tensor cores ---

#if !defined(__CUDACC__)
namespace runtime {

struct MmaLane {
  float (&c)[4];
  const unsigned (&a)[4];
  const unsigned (&b)[2];
};

// Element k of row `row` of A (16 rows) or of column `row` of B (8 columns), found in the lane that holds it:
// a register has two neighbours in k; four lanes hold a row's first eight, then its second.
inline float mma_element(const unsigned* registers, int rows_held, int row, int k) {
  const unsigned bits = registers[k / 8 * rows_held + row / 8];
  return to_float(bf16{static_cast<std::uint16_t>(bits >> (k % 2 * 16))});
}

inline void mma_together(void* const* lanes, unsigned) {
  const auto holder = [&](int row, int k) -> MmaLane& {
    return *static_cast<MmaLane*>(lanes[row % 8 * 4 + k / 2 % 4]);
  };
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      auto& to = *static_cast<MmaLane*>(lanes[row % 8 * 4 + column / 2]);
      float& sum = to.c[row / 8 * 2 + column % 2];
      for (int k = 0; k < 16; ++k)
        sum += mma_element(holder(row, k).a, 2, row, k) * mma_element(holder(column, k).b, 1, column, k);
    }
  }
  if (Counts* counts = current->block->counts(); counts != nullptr) ++counts->mma;
}

}  // namespace runtime
#endif

/// C += A·B on tensor cores, fp32 sums; A [16][16] and B [16][8] of bf16 (sm_80). A whole warp together.
/// c[i] is (row + 8 (i / 2), 2 pair + i % 2). a[i] is row + 8 (i % 2), columns 2 pair + 8 (i / 2) and the
/// next. b[i] is column `row`, k = 2 pair + 8 i and the next.
BAUTA_PTX void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]
#if !defined(__CUDACC__)
                            ,
                            const runtime::Where& where = runtime::Where::current()
#endif
) {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();  // sm_75 has no bf16
#endif
#else
  runtime::MmaLane lane{c, a, b};
  runtime::meet(~0U, runtime::mma_together, lane, where);
#endif
}

#undef BAUTA_PTX

}  // namespace bauta::BAUTA_DEVICE
