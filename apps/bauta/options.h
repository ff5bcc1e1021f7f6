#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>

namespace bauta {

/// Checks that an option's value is a number from `low` to `high`, which NaN is not.
CLI::Validator number_from(double low, double high);

/// The same for whole numbers in decimal digits, and nothing else.
CLI::Validator whole_number_from(std::uint64_t low, std::uint64_t high);

/// An option that is a whole number, as many as its variable can hold if `high` is not given.
template <class Number>
CLI::Option* add_whole_number(CLI::App& app, const char* name, Number& variable,
                              const std::string& description, std::uint64_t low,
                              std::uint64_t high = std::numeric_limits<Number>::max()) {
  return app.add_option(name, variable, description)->transform(whole_number_from(low, high))->type_name("N");
}

/// --batch of the benchmarks of one step.
CLI::Option* add_batch_option(CLI::App&, int& batch, const std::string& description);

}  // namespace bauta
