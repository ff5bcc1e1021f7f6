#include "apps/bauta/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <limits>

namespace bauta {
namespace {

bool parse_seed(const std::string& text, std::uint64_t& seed) {
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && parsed == end;
}

}  // namespace

CLI::Validator number_from(double low, double high) {
  const auto check = [low, high](const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool fits = !text.empty() && *end == '\0' && value >= low && value <= high;
    return fits ? std::string() : fmt::format("'{}' is not a number from {} to {}", text, low, high);
  };
  return {check, ""};
}

void add_seed_option(CLI::App& app, std::uint64_t& seed, const std::string& description) {
  const auto check = [](const std::string& text) {
    std::uint64_t unused = 0;
    return parse_seed(text, unused) ? std::string()
                                    : fmt::format("'{}' is not a whole number from 0 to {}", text,
                                                  std::numeric_limits<std::uint64_t>::max());
  };
  // Not as a number of CLI11's, to which -1 is the largest of 64 bits, and 010 is 8.
  app.add_option_function<std::string>(
         "--seed", [&seed](const std::string& text) { parse_seed(text, seed); }, description)
      ->check(CLI::Validator(check, ""))
      ->type_name("N")
      ->default_str(std::to_string(seed));
}

}  // namespace bauta
