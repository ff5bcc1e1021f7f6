#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "apps/bauta/build_info.h"
#include "apps/bauta/command.h"
#include "apps/bauta/terminal.h"
#include "apps/bauta/usage_error.h"
#include "engine/comm/world.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta data make --out faces --with-mask 500 --without-mask 500   # render a data set
  bauta data make --out unseen --seed 1                            # and another
  bauta train --data faces --out runs/a                            # train the study's network on it
  bauta eval --weights runs/a/best.safetensors --data unseen       # see how good it is on others
  bauta classify --weights runs/a/best.safetensors photo.jpg       # ask it about an image

Every subcommand has a page of its own: bauta train --help)";

// CLI11's help, but the footer as it was written: examples keep their lines.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = app->get_footer();
    return footer.empty() ? footer : footer + "\n";
  }
};

// Of several ranks that all fail alike, the first speaks.
int fail(const Status& status) {
  if (launched_world().rank == 0) print_error(status.message());
  return status.is_usage() ? 2 : 1;
}

// Fails where a launcher has started a command several times that would do the same each time.
Status check_ranks(const Command& command, const CLI::App& app) {
  const World world = launched_world();
  if (world.size == 1 || command.takes_ranks) return {};
  return Status::usage(
      world.launcher + " has started this several times, and each process would do all of the work",
      command_path(app), "start it by itself");
}

// The exit code of what has printed its results: 0 only if they got through.
int printed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const int failed = fail(Status::error("the results could not be written", "standard output",
                                        "see that it stays open, and has room for them"));
  return code == 0 ? failed : code;
}

// What the shell has closed (>&-) would be the number of the next file or connection, and what is printed
// would go there. This way it cannot be written, as before.
void open_standard_files() {
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(file, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));
  }
}

// From whichever thread: the other ranks of a run notice that this one is gone, once mpirun has passed on
// what it said.
[[noreturn]] void end_at_once(std::string_view line) {
  static_cast<void>(!::write(error_output(), line.data(), line.size()));
  ::usleep(300'000);
  std::_Exit(1);
}

void end_without_memory() {
  end_at_once(
      "bauta: error: there is not enough memory: use a smaller --batch where that is an option, or a machine "
      "with more\n");
}

// The system's word that what is mapped is not there: packs and weights are read where they lie.
void end_without_file(int) {
  end_at_once(
      "bauta: error: a file was cut short while it was in use, or /dev/shm is full: "
      "write packs and weights under new names, and start again\n");
}

// Likewise, for an exception of a library's that nobody catches: a thread that the system does not give, say.
void end_by_exception() {
  std::string what = "something unknown";
  try {
    if (const auto thrown = std::current_exception(); thrown != nullptr) std::rethrow_exception(thrown);
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
  }
  const Status error = Status::error(
      "bauta cannot go on: " + what, {},
      "look at the limits of this process (ulimit -a) and at its disk; if they suffice, report this");
  print_error(error.message());
  std::_Exit(1);
}

// mpirun gives a rank a terminal whatever its own output is.
void leave_colours_out_under_mpirun() {
  const World world = launched_world();
  if (!world.launcher.empty() && world.connections.empty()) ::setenv("NO_COLOR", "1", 1);
}

int run(int argc, char** argv) {
  CLI::App app("Trains the face-mask network, from images to a checked result, without a framework.",
               "bauta");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("-V,--version", std::string("bauta ") + kVersion);
  app.require_subcommand(1);
  app.footer(kExamples);

  std::vector<Command> commands = {train_command(app, {argv, argv + argc}), eval_command(app),
                                   classify_command(app), info_command(app)};
  for (Command& command : bench_commands(app)) commands.push_back(std::move(command));
  for (Command& command : data_commands(app)) commands.push_back(std::move(command));

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    return printed(app.exit(success));
  } catch (const CLI::ParseError& error) {
    return fail(usage_error(error, app));
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    if (const Status alone = check_ranks(command, app); !alone.ok()) return fail(alone);
    const auto code = command.run();
    return code.ok() ? printed(*code) : fail(code.status());
  }
  return 0;
}

}  // namespace
}  // namespace bauta

// NOLINTNEXTLINE(bugprone-exception-escape): end_by_exception is for those
int main(int argc, char** argv) {
  std::set_new_handler(bauta::end_without_memory);
  std::set_terminate(bauta::end_by_exception);
  std::signal(SIGBUS, bauta::end_without_file);
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond ulimit -f is an error of its writing, told like any other
  bauta::open_standard_files();
  bauta::leave_colours_out_under_mpirun();
  return bauta::run(argc, argv);
}
