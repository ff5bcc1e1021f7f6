#include "engine/io/json.h"

// What parses can be written, and reads back as the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const bauta::Result<bauta::Json> json =
      bauta::parse_json({reinterpret_cast<const char*>(data), size}, "text");
  if (!json.ok()) return 0;
  const std::string text = json->dump();
  const bauta::Result<bauta::Json> again = bauta::parse_json(text, "text");
  if (!again.ok() || again->dump() != text) __builtin_trap();
  return 0;
}
