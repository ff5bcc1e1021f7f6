#include "engine/core/buffer.h"

#include <cstring>

namespace bauta {

void* allocate_zeroed(std::size_t bytes) {
  void* p = ::operator new (bytes, std::align_val_t{64});
  std::memset(p, 0, bytes);
  return p;
}

}  // namespace bauta
