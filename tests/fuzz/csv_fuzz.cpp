#include <cstdint>

#include "engine/data/listing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string rows(reinterpret_cast<const char*>(data), size);
  for (const char* header : {"", "path,label\n", "path,label,group\n", "path,label,split\n"}) {
    const bauta::Result<bauta::Listing> listing = bauta::list_manifest(header + rows, "manifest.csv", {});
    if (!listing.ok()) continue;
    for (const bauta::ListedImage& image : listing->images) {
      if (image.label < 0 || image.label >= std::ssize(listing->classes)) __builtin_trap();
    }
  }
  return 0;
}
