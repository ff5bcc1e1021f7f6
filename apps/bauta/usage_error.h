#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "kernels/status.h"

namespace bauta {

/// The command that was given, with its subcommands: "bauta bench train".
std::string command_path(const CLI::App& app);

/// CLI11's own message in the form of all errors: WHAT (WHERE): HOW TO FIX. An option or a subcommand that
/// there is not is named, with the one that it looks like.
Status usage_error(const CLI::ParseError& error, const CLI::App& app);

}  // namespace bauta
