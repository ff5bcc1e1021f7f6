#include "engine/core/vendor.h"

namespace bauta {

Result<Vendor> Vendor::open(const Context&, const std::string&) {
  return Status::error("this build cannot call cuDNN and cuBLASLt", "--kernels vendor",
                       "build it where cuDNN 9 is (-DBAUTA_VENDOR=ON), or use --kernels hand");
}

}  // namespace bauta
