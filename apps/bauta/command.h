#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// A subcommand: its options, and what it does once they are parsed. The result is the program's exit code.
struct Command {
  CLI::App* app;
  std::function<Result<int>()> run;
  /// A launcher may start it several times at once; any other would do all of its work each time.
  bool takes_ranks = false;
};

// Each adds its subcommands to `app`, and stands in a file of its own.

/// `args`: the command line.
Command train_command(CLI::App& app, const std::vector<std::string>& args);
Command eval_command(CLI::App& app);
Command classify_command(CLI::App& app);
Command info_command(CLI::App& app);
std::vector<Command> data_commands(CLI::App& app);
std::vector<Command> bench_commands(CLI::App& app);
Command bench_epoch_command(CLI::App& bench);
Command bench_kernels_command(CLI::App& bench);

}  // namespace bauta
