#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "kernels/cpu_isa.h"
#include "kernels/status.h"
#include "kernels/thread_pool.h"

namespace bauta {

class VendorLibraries;
namespace simt {
struct Log;
}
struct LaunchTimes;

/// Offsets into arrays: wide enough for any batch, where the sizes in a shape are plain ints.
using Index = std::ptrdiff_t;

/// Who computes. No layer, loss or optimiser asks which one it is: only what owns memory, streams and ranks.
enum class Backend {
  reference,  ///< plain loops in double: the definition of right, and slow
  cpu,        ///< SIMD, at Context::isa
  cuda,       ///< a GPU: the op's .cu file; pointers are the GPU's
  simt,       ///< the same .cu file on the CPU, every access checked: for tests
};

/// The precision of matrix products: those of linear layers and convolutions, in all passes. Tensors in
/// memory are fp32, and so is all other arithmetic.
enum class Precision {
  fp32,
  /// Each factor is rounded to bfloat16 (8 bits of mantissa, to nearest, ties to even) as it is read;
  /// products and their sums are fp32, on tensor cores. On a GPU from sm_80 on and under simt; nowhere else.
  /// (A vendor's convolutions round what they give, too: kernels/vendor/vendor.h. Linear layers of few
  /// outputs round less: kernels/linear/linear.h.)
  bf16,
};

inline const char* precision_name(Precision precision) {
  return precision == Precision::bf16 ? "bf16" : "fp32";
}

/// What an op computes: its output, the gradient for its input, or those for its parameters.
enum class Pass { forward, dgrad, wgrad };

/// Where and with what an op runs. Owns nothing: pool and workspace outlive every call that is given them.
struct Context {
  Backend backend = Backend::cpu;
  Isa isa = available_isas().back();  ///< one of available_isas()
  Precision precision = Precision::fp32;
  ThreadPool* pool = nullptr;           ///< null: the calling thread alone
  std::span<std::byte> workspace;       ///< scratch, 64-byte aligned; an op says how much each pass needs
  void* stream = nullptr;               ///< cuda: the cudaStream_t that kernels are put into; simt: null, or
                                        ///< see kernels/simt/stream.h
  LaunchTimes* launch_times = nullptr;  ///< cuda: where launches leave their times; null: they take none
  /// cuda and simt: who multiplies in convolutions and linear layers; null: our kernels. Null elsewhere.
  VendorLibraries* vendor = nullptr;
  simt::Log* simt_log = nullptr;  ///< simt: where launches leave counts and faults; null: they count nothing
};

/// Threads that parallel_for(context, ...) shares its indices among.
inline int thread_count(const Context& context) { return context.pool == nullptr ? 1 : context.pool->size(); }

/// Calls body(index, thread) for every index in [0, count): see ThreadPool::parallel_for.
template <class Body>
void parallel_for(const Context& context, int count, Body&& body) {
  if (context.pool != nullptr) {
    context.pool->parallel_for(count, body);
    return;
  }
  for (int index = 0; index < count; ++index) body(index, 0);
}

/// The one order of summing. A global batch is cut by position into 8 shards, shard s being the samples
/// [s·B/8, (s+1)·B/8). A gradient is the sum of its shards' gradients by one fixed binary tree,
/// ((0+1)+(2+3))+((4+5)+(6+7)), and inside a shard the samples are added in order. One process holds `count`
/// neighbouring shards, a whole subtree; its wgrads return that subtree's sum. GPUs, and simt, take no
/// notice: their order is fixed, too, but each kernel's own.
struct Shards {
  static constexpr int kTotal = 8;

  int global_batch = 0;  ///< B, samples of the batch on all ranks together
  int first = 0;         ///< the first shard of this process; a multiple of `count`
  int count = kTotal;    ///< 1, 2, 4 or 8

  /// The sample of this process's batch at which its shard `s` in [0, count] begins.
  int begin(int s) const { return global_begin(first + s) - global_begin(first); }

  /// Samples of this process's batch.
  int batch() const { return begin(count); }

  /// The sample of the global batch at which shard `s` in [0, 8] begins.
  int global_begin(int s) const { return static_cast<int>(Index{s} * global_batch / kTotal); }
};

/// What stands for the entries of a table that a backend does not have in this program: functions that fail,
/// naming the table, or return 0.
template <const char* kName>
struct MissingEntry {
  template <class Return, class... Arguments>
  using Function = Return (*)(Arguments...);

  template <class... Arguments>
  constexpr operator Function<Status, Arguments...>() const {
    return [](Arguments...) {
      return Status::error(
          std::string(kName) + " has no CUDA kernels here", {},
          "choose the cpu backend, or a build that has them (-DBAUTA_CUDA=ON, -DBAUTA_SIMT=ON)");
    };
  }
  template <class Return, class... Arguments>
  constexpr operator Function<Return, Arguments...>() const {
    return [](Arguments...) { return Return(); };
  }
};

/// A Table, all of it pointers to functions, of nothing but missing entries.
template <class Table, const char* kName>
constexpr Table missing_table() {
  return []<std::size_t... kEntries>(std::index_sequence<kEntries...>) {
    return Table{(static_cast<void>(kEntries), MissingEntry<kName>{})...};
  }
  (std::make_index_sequence<sizeof(Table) / sizeof(void (*)())>{});
}

/// Declares `extern const Table name` in the namespace of every backend; each backend's source file defines
/// its own. A Table holds an op's entry points as function pointers.
#define BAUTA_DECLARE_BACKENDS(Table, name) \
  namespace reference {                     \
  extern const Table name;                  \
  }                                         \
  BAUTA_DECLARE_ISA_BACKENDS(Table, name)   \
  BAUTA_DECLARE_GPU_BACKENDS(Table, name)

/// The same for those of the CPU's instruction sets alone.
#define BAUTA_DECLARE_ISA_BACKENDS(Table, name) \
  namespace portable {                          \
  extern const Table name;                      \
  }                                             \
  namespace avx2 {                              \
  extern const Table name;                      \
  }                                             \
  namespace avx512 {                            \
  extern const Table name;                      \
  }

/// The same for those of a GPU alone. They are weak, null in a program that is linked without them;
/// `name_missing` then takes their place.
#define BAUTA_DECLARE_GPU_BACKENDS(Table, name) \
  namespace cuda {                              \
  [[gnu::weak]] extern const Table name;        \
  }                                             \
  namespace simt {                              \
  [[gnu::weak]] extern const Table name;        \
  }                                             \
  inline constexpr char name##_name[] = #name;  \
  inline constexpr Table name##_missing = missing_table<Table, name##_name>();

/// *table, or `missing` when the program is linked without it.
template <class Table>
const Table& linked_or(const Table* table, const Table& missing) {
  return table == nullptr ? missing : *table;
}

// The x86 sets exist only in x86-64 builds; elsewhere available_isas() never offers them.
#if defined(__x86_64__)
#define BAUTA_PICK_ISA(context, name)                            \
  ((context).isa == ::bauta::Isa::avx512 ? ::bauta::avx512::name \
   : (context).isa == ::bauta::Isa::avx2 ? ::bauta::avx2::name   \
                                         : ::bauta::portable::name)
#else
#define BAUTA_PICK_ISA(context, name) ::bauta::portable::name
#endif

/// The table `name` of simt, where the context asks for it, or of a GPU.
#define BAUTA_PICK_GPU(context, name)                                                            \
  ::bauta::linked_or(                                                                            \
      (context).backend == ::bauta::Backend::simt ? &::bauta::simt::name : &::bauta::cuda::name, \
      name##_missing)

/// The table `name` of the backend that the context asks for.
#define BAUTA_PICK_BACKEND(context, name)                                           \
  ((context).backend == ::bauta::Backend::reference ? ::bauta::reference::name      \
   : (context).backend == ::bauta::Backend::cpu     ? BAUTA_PICK_ISA(context, name) \
                                                    : BAUTA_PICK_GPU(context, name))

/// The table of an op that vendors have, too: `op`_vendor_backend where the context asks for a vendor's
/// products, or else `op`_backend.
#define BAUTA_PICK_PRODUCTS(context, op)                                      \
  ((context).vendor != nullptr ? BAUTA_PICK_GPU(context, op##_vendor_backend) \
                               : BAUTA_PICK_BACKEND(context, op##_backend))

}  // namespace bauta
