#pragma once

#include <span>

#include "kernels/status.h"

namespace bauta {

/// The instruction sets that the CPU kernels are compiled for, narrowest first.
enum class Isa {
  portable,  ///< the compiler's baseline: SSE2 on x86-64, NEON on aarch64
  avx2,      ///< AVX2 and FMA
  avx512,    ///< AVX-512 F, BW, DQ and VL
};

/// "portable", "avx2" or "avx512".
const char* isa_name(Isa isa);

/// Every ISA that this machine can run, narrowest first; never empty.
std::span<const Isa> available_isas();

/// The widest ISA of this machine, or the one that the environment variable BAUTA_ISA names.
/// Fails when BAUTA_ISA names none, or one that this machine cannot run.
Result<Isa> select_isa();

}  // namespace bauta
