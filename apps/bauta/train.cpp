#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <memory>

#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/terminal.h"
#include "apps/bauta/train_report.h"
#include "layers/zoo.h"
#include "optim/run_folder.h"
#include "optim/trainer.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta train --data faces --out runs/a
      The study's settings: 10 epochs of batches of 32, Adam at 1e-5, one image in ten for validation.
  bauta train --data faces --out runs/b --lr 1e-3 --augment strong --schedule cosine --epochs 30
      What does best on a small data set.
  bauta train --data faces.safetensors --out runs/c --save-every 500
      From a pack (see bauta data pack --help), with a checkpoint every 500 steps.
  bauta train --data faces.safetensors --out runs/c --save-every 500 --resume
      Goes on where that run was stopped or killed.
  bauta train --data photos.csv --out runs/d --init runs/a/best.safetensors --epochs 5
      Trains weights further; a PyTorch state dict saved as safetensors will do as well.

--data is a folder with a folder of images per class, a CSV manifest (path,label[,group]), or a pack.
--out gets best.safetensors, last.safetensors, config.json, metrics.jsonl and a TensorBoard event file.)";

struct TrainArguments {
  std::string data;
  std::string model;  // empty: that of --init, or else the zoo's first
  std::string class_weights = "auto";
  bool no_shuffle = false;
  bool strict = false;
  DeviceOptions device;
  TrainOptions train;
};

// Set by the first SIGINT or SIGTERM; the second one ends the program at once.
std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void stop_at_next_step() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// "auto", "none", or numbers with commas between.
Result<ClassWeights> parse_class_weights(const std::string& text) {
  if (text == "auto") return ClassWeights{ClassWeights::Kind::balanced, {}};
  if (text == "none") return ClassWeights{ClassWeights::Kind::none, {}};
  ClassWeights weights{ClassWeights::Kind::given, {}};
  const char* const end = text.data() + text.size();
  for (const char* at = text.data();; ++at) {
    float value = 0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != ',')) {
      return Status::usage("'" + text + "' is not a list of numbers", "--class-weights",
                           "use auto, none, or one number for each class, such as 0.53,9.5");
    }
    weights.values.push_back(value);
    at = parsed.ptr;
    if (at == end) return weights;
  }
}

// The network to train, and the classes that the data set must have (none: its own).
struct Start {
  Model model;
  std::vector<std::string> classes;
};

Result<Start> start_of(const TrainArguments& arguments) {
  const std::string& init = arguments.train.init;
  const std::string name = arguments.model.empty() ? zoo_names().front() : arguments.model;
  auto model = zoo_model(name);
  if (!model.ok()) return model.status();
  if (init.empty()) return Start{std::move(*model), {}};
  auto weights = open_weights(init);
  if (!weights.ok()) return weights.status();
  const std::vector<std::string> classes = weights->model.classes();
  return Start{arguments.model.empty() ? std::move(weights->model) : std::move(*model), classes};
}

std::string next_steps(const TrainArguments& arguments, const TrainResult& result) {
  return fmt::format("next: bauta eval --weights {} --data {}", shell_word(result.best_path),
                     shell_word(arguments.data));
}

Result<int> run_train(TrainArguments arguments, const std::string& command_line) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  print_note(machine->description());
  const auto weights = parse_class_weights(arguments.class_weights);
  if (!weights.ok()) return weights.status();
  const auto start = start_of(arguments);
  if (!start.ok()) return start.status();
  // Before minutes go into decoding images.
  if (!arguments.train.resume) BAUTA_TRY(RunFolder::check_free(arguments.train.out));

  DataWarnings warnings;
  const auto data = open_data(*machine, arguments.data, image_size(start->model), start->classes,
                              arguments.strict, [&](std::string_view line) { warnings.add(line); });
  if (!data.ok()) return data.status();

  TrainOptions& options = arguments.train;
  options.class_weights = *weights;
  options.shuffle = !arguments.no_shuffle;
  options.stop = &stop_requested;
  stop_at_next_step();
  TrainReport report(options, *data, start->model);
  const auto result = train(machine->context(), start->model, *data, options, report);
  report.finish();
  warnings.repeat_summary();
  if (!result.ok()) return result.status();
  if (result->stopped) {
    print_note(fmt::format("stopped after step {}; the checkpoint is {}", result->steps, result->last_path));
    print_note("go on with: " + command_line + (options.resume ? "" : " --resume"));
    return kExitInterrupted;
  }
  report.print_result(*result);
  print_note(next_steps(arguments, *result));
  return 0;
}

}  // namespace

Command train_command(CLI::App& app, const std::string& command_line) {
  CLI::App* train = app.add_subcommand("train", "Trains a network and writes the run into a folder");
  train->footer(kExamples);
  auto arguments = std::make_shared<TrainArguments>();
  TrainOptions& o = arguments->train;
  const auto add = [train](const char* name, auto& variable, const char* type, const char* description) {
    return train->add_option(name, variable, description)->type_name(type);
  };
  add("--data", arguments->data, "PATH", "folder, CSV manifest or pack of images")->required();
  add("--out", o.out, "RUN", "folder to write; must be new or empty, unless with --resume")->required();
  add("--epochs", o.epochs, "N", "times through the training images")->capture_default_str();
  add("--batch", o.batch, "N", "images of one step")->capture_default_str();
  add("--lr", o.lr, "X", "learning rate")->default_str("1e-5");
  add("--val", o.val, "X", "part of the images that validates; 0: train on everything")
      ->capture_default_str();
  add("--seed", o.seed, "N", "of first weights, split, order and augmentation")->capture_default_str();
  add("--class-weights", arguments->class_weights, "W",
      "auto: each class counts alike; none; or a number per class, A,B")
      ->capture_default_str();
  add_choice<Augment>(*train, "--augment", o.augment,
                      {{"none", Augment::none}, {"light", Augment::light}, {"strong", Augment::strong}},
                      "how much images are varied: none, light or strong");
  add_choice<Schedule>(*train, "--schedule", o.schedule,
                       {{"constant", Schedule::constant}, {"cosine", Schedule::cosine}},
                       "of the learning rate: constant or cosine");
  add_choice<OptimizerKind>(*train, "--optimizer", o.optimizer.kind,
                            {{"adam", OptimizerKind::adam}, {"sgd", OptimizerKind::sgd}}, "adam or sgd");
  add("--momentum", o.optimizer.momentum, "X", "of --optimizer sgd")
      ->check(CLI::Range(0.0, 1.0))
      ->default_str("0.9");
  add("--init", o.init, "FILE", "weights to start from (default: Xavier uniform from the seed)");
  add("--model", arguments->model, "NAME", "a network of the zoo (default: study)");
  add("--max-steps", o.max_steps, "N", "end after N steps as at an epoch's end; 0: no limit")
      ->capture_default_str();
  add("--save-every", o.save_every, "N", "steps between checkpoints; 0: at each epoch's end alone")
      ->capture_default_str();
  train->add_flag("--resume", o.resume, "go on from the checkpoint in RUN");
  train->add_flag("--no-shuffle", arguments->no_shuffle, "keep the data set's order in every epoch");
  train->add_flag("--strict", arguments->strict, "an image that cannot be read is an error, not a warning");
  add_device_options(*train, arguments->device);
  return {train, [arguments, command_line] { return run_train(*arguments, command_line); }};
}

}  // namespace bauta
