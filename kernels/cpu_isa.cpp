#include "kernels/cpu_isa.h"

#include <array>
#include <cstdlib>
#include <string>

namespace bauta {
namespace {

constexpr std::array kAll = {Isa::portable, Isa::avx2, Isa::avx512};

// Each wider set implies the narrower ones here, so a count says it all.
std::size_t count_available() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? 3 : 2;
#else
  return 1;
#endif
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "unknown";
}

std::span<const Isa> available_isas() {
  static const std::size_t count = count_available();
  return std::span(kAll).first(count);
}

Result<Isa> select_isa() {
  const std::span<const Isa> available = available_isas();
  const char* wanted = std::getenv("BAUTA_ISA");
  if (wanted == nullptr || *wanted == '\0') return available.back();
  std::string choices;
  for (Isa isa : available) {
    if (std::string(wanted) == isa_name(isa)) return isa;
    choices += choices.empty() ? "" : ", ";
    choices += isa_name(isa);
  }
  return Status::usage("this CPU has no instruction set '" + std::string(wanted) + "'", "BAUTA_ISA",
                       "set it to one of " + choices + ", or unset it");
}

}  // namespace bauta
