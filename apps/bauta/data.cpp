#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/stop.h"
#include "apps/bauta/terminal.h"
#include "engine/data/faces/make_dataset.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta data make --out faces --with-mask 500 --without-mask 500
  bauta data pack --data faces --out faces.safetensors)";

constexpr const char* kMakeExamples = R"(Examples:
  bauta data make --out faces
      1,000 rendered faces, half of them with masks, laid out as the RMFD data set is.
  bauta data make --out faces-study --with-mask 5000 --without-mask 90000
      As many as the study had.
  bauta data make --out faces-test --seed 1
      Other faces: the seed decides them all.)";

constexpr const char* kPackExamples = R"(Examples:
  bauta data pack --data faces --out faces.safetensors
      Decodes and resizes every image once; training from the pack decodes none.
  bauta train --data faces.safetensors --out runs/a
  bauta data pack --data photos.csv --out photos.safetensors --strict
      An image that cannot be read is an error.)";

struct MakeArguments {
  std::string out;
  int with_mask = 500;
  int without_mask = 500;
  std::uint64_t seed = 0;
  DeviceOptions device{"cpu"};  // its threads: no GPU has a part in it
};

struct PackArguments {
  std::string data;
  std::string out;
  std::string model;  // empty: the zoo's first
  bool strict = false;
  DeviceOptions device{"cpu"};  // its threads: no GPU has a part in it
};

Result<int> run_make(const MakeArguments& arguments) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  MakeOptions options;
  options.out = arguments.out;
  options.with_mask = arguments.with_mask;
  options.without_mask = arguments.without_mask;
  options.seed = arguments.seed;
  options.threads = machine->threads();
  options.stop = &stop_on_signals(nullptr);
  Progress bar("rendering", std::int64_t{arguments.with_mask} + arguments.without_mask);
  options.progress = [&](int done, int) { bar.update(done); };
  if (const Status made = make_dataset(options); !made.ok()) return failed(made, *options.stop);
  print_note(fmt::format("wrote {} with a mask and {} without into {} in {:.1f} s",
                         counted(arguments.with_mask, "face"), with_commas(arguments.without_mask),
                         arguments.out, bar.elapsed()));
  print_note("next: bauta train --data " + shell_word(arguments.out) + " --out runs/a");
  return 0;
}

Result<int> run_pack(const PackArguments& arguments) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  const auto model = zoo_model(arguments.model.empty() ? zoo_names().front() : arguments.model);
  if (!model.ok()) return model.status();
  {
    OpenOptions options = open_options(*machine, image_size(*model), arguments.strict);
    options.stop = &stop_on_signals(nullptr);
    const Status packed = pack_dataset(arguments.data, arguments.out, options);
    if (!packed.ok()) return failed(packed, *options.stop);
  }
  std::error_code error;
  const double bytes = static_cast<double>(std::filesystem::file_size(arguments.out, error));
  print_note(fmt::format("wrote {} ({:.1f} MB)", arguments.out, bytes / 1e6));
  print_note("next: bauta train --data " + shell_word(arguments.out) + " --out runs/a");
  return 0;
}

Command make_command(CLI::App& data) {
  CLI::App* make = data.add_subcommand("make", "Renders faces with and without masks");
  make->footer(kMakeExamples);
  auto arguments = std::make_shared<MakeArguments>();
  make->add_option("--out", arguments->out, "folder to write; must be new or empty")
      ->required()
      ->type_name("DIR");
  const auto add = [make](const char* name, auto& number, const char* description) {
    add_whole_number(*make, name, number, description, 0)->capture_default_str();
  };
  add("--with-mask", arguments->with_mask, "faces with a mask");
  add("--without-mask", arguments->without_mask, "faces without");
  add("--seed", arguments->seed, "random seed, which decides every face");
  add_threads_option(*make, arguments->device.threads);
  return {make, [arguments] { return run_make(*arguments); }};
}

Command pack_command(CLI::App& data) {
  CLI::App* pack = data.add_subcommand("pack", "Decodes a data set once, into one file");
  pack->footer(kPackExamples);
  auto arguments = std::make_shared<PackArguments>();
  pack->add_option("--data", arguments->data, "folder or CSV manifest of images")
      ->required()
      ->type_name("PATH");
  pack->add_option("--out", arguments->out, "file to write; replaces none but a pack")
      ->required()
      ->type_name("FILE");
  pack->add_option("--model", arguments->model, "the network whose image size is used (default: study)")
      ->type_name("NAME");
  add_switch(*pack, "--strict", arguments->strict, "an image that cannot be read is an error, not a warning");
  add_threads_option(*pack, arguments->device.threads);
  return {pack, [arguments] { return run_pack(*arguments); }};
}

}  // namespace

std::vector<Command> data_commands(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Makes and packs data sets");
  data->require_subcommand(1);
  data->footer(kExamples);
  return {make_command(*data), pack_command(*data)};
}

}  // namespace bauta
