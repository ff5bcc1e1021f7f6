#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

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

/// An option that is there or not, and takes no value.
CLI::Option* add_switch(CLI::App&, const std::string& name, bool& given, const std::string& description);

/// An option that takes one of a few names, each standing for a value.
template <class T>
CLI::Option* add_choice(CLI::App& app, const std::string& name, T& variable,
                        const std::vector<std::pair<std::string, T>>& choices,
                        const std::string& description) {
  std::vector<std::string> names;
  std::string first;
  for (const auto& [choice, value] : choices) {
    names.push_back(choice);
    if (value == variable) first = choice;
  }
  const auto set = [&variable, choices](const std::string& given) {
    for (const auto& [choice, value] : choices) {
      if (choice == given) variable = value;
    }
  };
  return app.add_option_function<std::string>(name, set, description)
      ->check(CLI::IsMember(names))
      ->type_name("NAME")
      ->default_str(first);
}

/// --batch of the benchmarks of one step.
CLI::Option* add_batch_option(CLI::App&, int& batch, const std::string& description);

}  // namespace bauta
