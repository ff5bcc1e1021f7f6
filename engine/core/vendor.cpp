#include "engine/core/vendor.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace bauta {
namespace {

constexpr const char* kModule = "bauta_vendor.so";
constexpr std::size_t kMaxScratch = std::size_t{4} << 30;  // bytes: large batches are transposed there

std::string find_module() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = program.parent_path().parent_path() / "lib" / kModule;
  return std::filesystem::exists(beside, error) ? beside.string() : kModule;
}

// The function that the module gives; null where it cannot be loaded.
OpenVendorLibraries* load(const std::string& module) {
  void* const handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  return reinterpret_cast<OpenVendorLibraries*>(::dlsym(handle, kOpenVendorLibraries));
}

}  // namespace

Result<Vendor> Vendor::open(const Context& context, const std::string& module) {
  OpenVendorLibraries* const open_libraries = load(module.empty() ? find_module() : module);
  if (open_libraries == nullptr) {
    const char* const reason = ::dlerror();
    return Status::error(
        std::string("cuDNN and cuBLASLt cannot be loaded: ") + reason, "--kernels vendor",
        "install cuDNN 9 and the cuBLAS of this build's CUDA, add their folders to LD_LIBRARY_PATH, "
        "or use --kernels hand");
  }
  Vendor vendor;
  const auto free = free_memory(context);
  BAUTA_TRY(free.status());
  BAUTA_TRY(vendor.scratch_.allocate(context, std::min(kMaxScratch, *free / 4)));
  Status status;
  open_libraries(vendor.scratch_.span(), vendor.libraries_, status);
  BAUTA_TRY(status);
  return vendor;
}

}  // namespace bauta
