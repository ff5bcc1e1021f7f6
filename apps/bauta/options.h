#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

namespace bauta {

/// Checks that an option's value is a number from `low` to `high`, which NaN is not.
CLI::Validator number_from(double low, double high);

/// --seed: digits that make a number of 64 bits, and nothing else.
void add_seed_option(CLI::App&, std::uint64_t& seed, const std::string& description);

}  // namespace bauta
