#include "engine/core/buffer.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstring>
#include <memory>

namespace bauta {
namespace {

#if defined(__linux__)
// Memory of at least two huge pages (2 MiB each): what is read and written from end to end in each step then
// misses the TLB less, and the prefetcher does not stop at every 4 KiB. Without such pages nothing changes.
void ask_for_huge_pages(void* memory, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kWorthIt = std::size_t{4} << 20;
  if (bytes < kWorthIt || std::align(kPage, 1, memory, bytes) == nullptr) return;
  static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
}
#else
void ask_for_huge_pages(void*, std::size_t) {}
#endif

}  // namespace

void* allocate_zeroed(std::size_t bytes) {
  void* p = ::operator new (bytes, std::align_val_t{64});
  ask_for_huge_pages(p, bytes);
  std::memset(p, 0, bytes);
  return p;
}

}  // namespace bauta
