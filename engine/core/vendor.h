#pragma once

#include <memory>
#include <string>

#include "engine/core/device.h"
#include "kernels/vendor/vendor.h"

namespace bauta {

/// cuDNN and cuBLASLt. They are some hundred MB, so that no program is linked to them: what calls them is a
/// module, bauta_vendor.so, that is loaded when they are asked for, and stays until the process ends.
class Vendor {
 public:
  /// Loads the module from ../lib beside the folder of this program, or from where the dynamic loader looks;
  /// `module`, unless it is empty, names another file. The libraries compute on the GPU of the context, whose
  /// memory also gives them their scratch, 4 GiB, or a quarter of what is free where that is less. Fails
  /// where this build has no module, where it or the libraries cannot be loaded, and where they do not start.
  static Result<Vendor> open(const Context&, const std::string& module = {});

  /// What Context::vendor is to point to, as long as this lives.
  VendorLibraries& libraries() const { return *libraries_; }

 private:
  Vendor() = default;

  DeviceBuffer<std::byte> scratch_;
  std::unique_ptr<VendorLibraries> libraries_;
};

}  // namespace bauta
