#include "apps/bauta/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

namespace bauta {

CLI::Validator number_from(double low, double high) {
  const auto check = [low, high](const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool fits = !text.empty() && *end == '\0' && value >= low && value <= high;
    return fits ? std::string() : fmt::format("'{}' is not a number from {} to {}", text, low, high);
  };
  return {check, ""};
}

CLI::Validator whole_number_from(std::uint64_t low, std::uint64_t high) {
  const auto check = [low, high](std::string& text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || parsed != end || value < low || value > high)
      return fmt::format("'{}' is not a whole number from {} to {}", text, low, high);
    text = std::to_string(value);  // without leading zeros, which CLI11 takes for a sign of octal digits
    return std::string();
  };
  return {check, ""};
}

CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& given, const std::string& description) {
  return app.add_flag(name, given, description)->disable_flag_override();
}

CLI::Option* add_batch_option(CLI::App& app, int& batch, const std::string& description) {
  return add_whole_number(app, "--batch", batch, description, 1, 65536)->capture_default_str();
}

}  // namespace bauta
