#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// A subcommand: its options, and what it does once they are parsed. The result is the program's exit code.
struct Command {
  CLI::App* app;
  std::function<Result<int>()> run;
};

// One function per file. Each adds its subcommands to `app`.
/// `args`: the command line.
Command train_command(CLI::App& app, const std::vector<std::string>& args);
Command eval_command(CLI::App& app);
Command classify_command(CLI::App& app);
Command info_command(CLI::App& app);
std::vector<Command> data_commands(CLI::App& app);
std::vector<Command> bench_commands(CLI::App& app);
Command bench_epoch_command(CLI::App& bench);
Command bench_kernels_command(CLI::App& bench);

/// Exit code of a run that a signal stopped, as shells have it for Ctrl-C.
constexpr int kExitInterrupted = 130;

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

}  // namespace bauta
