#include "apps/bauta/usage_error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace bauta {
namespace {

// The subcommand that was given, innermost.
const CLI::App& innermost(const CLI::App& app) {
  for (const CLI::App* sub : app.get_subcommands()) return innermost(*sub);
  return app;
}

// Letters to insert, remove or replace until a is b.                              (Levenshtein, 1966)
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// "did you mean --data? ", where a word is like one of these.
std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const auto apart = [&](const std::string& name) { return distance(word, name); };
  const auto closest = std::ranges::min_element(known, {}, apart);
  if (closest == known.end() || apart(*closest) > 2 || closest->size() < 3) return "";
  return "did you mean " + *closest + "? ";
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

Status unknown_subcommand(const CLI::App& app, const std::string& see) {
  const auto rest = app.remaining(/*recurse=*/true);
  const std::string command = command_path(app);
  if (rest.empty()) return Status::usage("a subcommand is missing", command, see);
  return Status::usage("unknown subcommand " + rest.front(), command,
                       suggestion(rest.front(), subcommand_names(innermost(app))) + see);
}

Status unknown_arguments(const CLI::App& app, const std::string& see) {
  const auto extras = app.remaining(/*recurse=*/true);
  return Status::usage(
      fmt::format("unknown argument{} {}", extras.size() == 1 ? "" : "s", fmt::join(extras, " ")),
      command_path(app), suggestion(extras.front(), option_names(innermost(app))) + see);
}

}  // namespace

std::string command_path(const CLI::App& app) {
  for (const CLI::App* sub : app.get_subcommands()) return app.get_name() + " " + command_path(*sub);
  return app.get_name();
}

Status usage_error(const CLI::ParseError& error, const CLI::App& app) {
  std::string what = error.what();
  std::string where = command_path(app);
  const std::string see = "see " + where + " --help";
  if (what == "A subcommand is required") return unknown_subcommand(app, see);
  const bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  // An option that is missing may be one that was misspelt.
  if (extras || (missing && app.remaining_size(/*recurse=*/true) > 0)) return unknown_arguments(app, see);
  const std::string conversion = "Could not convert: ";
  const std::size_t colon = what.find(": ");
  if (what.starts_with("-") && colon != std::string::npos) {
    where = what.substr(0, colon);
    what = what.substr(colon + 2);
  } else if (what.starts_with(conversion) && what.find(" = ") != std::string::npos) {
    const std::size_t equals = what.find(" = ");
    where = what.substr(conversion.size(), equals - conversion.size());
    const std::string value = what.substr(equals + 3);
    what = "'" + value + "' is not a number";
  }
  if (const auto flag = what.find(" was given a disallowed flag override"); flag != std::string::npos) {
    where = "--" + what.substr(0, flag);
    what = "it takes no value";
  }
  if (what.starts_with("At Most 1 required")) what = "given more than once";
  return Status::usage(what, where, see);
}

}  // namespace bauta
