#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/launch.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/ranks.h"
#include "apps/bauta/stop.h"
#include "apps/bauta/terminal.h"
#include "apps/bauta/train_report.h"
#include "engine/comm/nccl.h"
#include "engine/comm/world.h"
#include "layers/zoo.h"
#include "optim/run_config.h"
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
      Goes on where that run was stopped or killed; lr, epochs and the like are as they were.
  bauta train --data photos.csv --out runs/d --init runs/a/best.safetensors --epochs 5
      Trains weights further; a PyTorch state dict saved as safetensors will do as well.
  bauta train --data faces.safetensors --out runs/e --devices 2
      Two processes share every batch and each takes half of the cores; the same bits as one. On several hosts:
      mpirun -np 2 --host a,b --bind-to none bauta train --data faces.safetensors --out runs/e

--data is a folder with a folder of images per class, a CSV manifest (path,label[,group][,split]), or a pack. With
folders train, val, test around those of the classes, or these words as split, the data set says itself what is what.
--out gets best.safetensors, last.safetensors, config.json, metrics.jsonl and a TensorBoard event file.)";

struct TrainArguments {
  std::string data;
  std::string model;  // empty: that of --init, or else the zoo's first
  std::string class_weights = "auto";
  std::optional<float> momentum;
  bool no_shuffle = false;
  bool strict = false;
  DeviceOptions device;
  std::optional<int> devices;
  TrainOptions train;
  std::set<std::string> given;  // the options that the command line has
};

constexpr const char* kStopping =
    "stopping at the next step, with a checkpoint; a second signal stops at once, without one";

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

// Puts the command line's arguments into the options of the run, and checks what can be checked without data.
Status complete_options(TrainArguments& arguments) {
  TrainOptions& options = arguments.train;
  BAUTA_TRY(put_into(options.class_weights, parse_class_weights(arguments.class_weights)));
  if (arguments.momentum && options.optimizer.kind != OptimizerKind::sgd) {
    return Status::usage("--momentum applies only to --optimizer sgd", "--momentum",
                         "add --optimizer sgd, or leave it out");
  }
  options.optimizer.momentum = arguments.momentum.value_or(options.optimizer.momentum);
  options.shuffle = !arguments.no_shuffle;
  return check_options(options);
}

// What rank 0 finds that the run in the folder was started with; nothing where there is none.
Result<std::optional<RunOptions>> kept_options(const std::string& out, Communicator& communicator) {
  std::error_code error;
  const bool reads = communicator.leads() && std::filesystem::exists(config_path(out), error);
  const auto mine = reads ? read_config(out) : Result<std::string>(std::string());
  BAUTA_TRY(agree(communicator, mine.status()));
  const auto all = communicator.all_gather(*mine);
  if (!all.ok()) return all.status();
  if (all->front().empty()) return std::optional<RunOptions>();
  auto run = options_of_run(all->front(), config_path(out));
  if (!run.ok()) return run.status();
  return std::optional(std::move(*run));
}

// With --resume: what the command line leaves out is as the run was started. Says what was taken over, or
// nothing.
Result<std::string> take_over_options(TrainArguments& arguments, Communicator& communicator) {
  TrainOptions& options = arguments.train;
  std::string taken;
  if (!options.resume) return taken;
  const auto run = kept_options(options.out, communicator);
  if (!run.ok()) return run.status();
  if (!*run) return taken;
  const auto take = [&](const char* option, auto& value, const auto& kept) {
    if (arguments.given.contains(option) || value == kept) return;
    value = kept;
    taken += std::string(taken.empty() ? "as the run was started: " : ", ") + option;
  };
  const TrainOptions& kept = (*run)->train;
  take("--epochs", options.epochs, kept.epochs);
  take("--batch", options.batch, kept.batch);
  take("--lr", options.lr, kept.lr);
  take("--val", options.val, kept.val);
  take("--seed", options.seed, kept.seed);
  take("--class-weights", options.class_weights, kept.class_weights);
  take("--augment", options.augment, kept.augment);
  take("--schedule", options.schedule, kept.schedule);
  take("--optimizer", options.optimizer.kind, kept.optimizer.kind);
  take("--momentum", options.optimizer.momentum, kept.optimizer.momentum);
  take("--init", options.init, kept.init);
  take("--max-steps", options.max_steps, kept.max_steps);
  take("--no-shuffle", options.shuffle, kept.shuffle);
  take("--precision", arguments.device.precision, (*run)->precision);
  // With --init the network is that of the weights, unless it is named.
  if (options.init.empty() && (*run)->model != zoo_names().front())
    take("--model", arguments.model, (*run)->model);
  return taken;
}

// The network to train, and the classes that the data set must have; none: its own, and the network of the
// zoo is made for them once they are known.
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
  if (arguments.model.empty()) return Start{std::move(weights->model), classes};
  BAUTA_TRY(put_into(*model, zoo_model(name, classes)));
  return Start{std::move(*model), classes};
}

std::string next_step(const TrainArguments& arguments, const TrainResult& result) {
  if (result.best_val_acc >= 0) {
    return fmt::format("next: bauta eval --run {} --data {}", shell_word(arguments.train.out),
                       shell_word(arguments.data));
  }
  return fmt::format("next: bauta eval --weights {} --data UNSEEN, images that it was not trained on",
                     shell_word(result.best_path));
}

// The command to go on with, as a person types it.
std::string resume_line(const std::vector<std::string>& args, bool resumes) {
  std::string line = "bauta";
  for (const std::string& word : std::span(args).subspan(1)) line += " " + shell_word(word);
  return line + (resumes ? "" : " --resume");
}

// A report that keeps the log of a rank that is not the first.
class RankReport final : public TrainReport {
 public:
  RankReport(const TrainOptions& options, const Dataset& data, const Model& model, Ranks& ranks)
      : TrainReport(options, data, model), run_(options.out), ranks_(ranks) {}

  void on_start(const RunStart& start) override {
    if (const Status kept = ranks_.keep_log(run_); !kept.ok()) static_cast<void>(ranks_.fail(kept));
    TrainReport::on_start(start);
  }

 private:
  const std::string& run_;
  Ranks& ranks_;
};

// A run in a data set's folder would be a class of it from then on.
Status check_out_beside_data(const std::string& out, const std::string& data) {
  std::error_code error;
  if (!std::filesystem::is_directory(data, error)) return {};
  const auto folder = std::filesystem::canonical(data, error);
  const auto run = std::filesystem::weakly_canonical(std::filesystem::absolute(out, error), error);
  if (std::ranges::mismatch(folder, run).in1 != folder.end()) return {};
  return Status::usage("the run would lie within the data set", out, "choose another --out");
}

// The progress bar goes with the options.
Result<Dataset> open_data(const Machine& machine, const TrainArguments& arguments, const Start& start,
                          DataWarnings& warnings) {
  OpenOptions options = open_options(machine, image_size(start.model), arguments.strict);
  options.classes = start.classes;
  options.warn = [&](std::string_view line) { warnings.add(line); };
  return open_dataset(arguments.data, options);
}

Result<int> train_as_rank(TrainArguments& arguments, Ranks& ranks) {
  Communicator& communicator = ranks.communicator();
  const char* const stopping = communicator.leads() ? kStopping : nullptr;
  BAUTA_TRY(complete_options(arguments));
  BAUTA_TRY(ranks.check_alike(arguments.train.resume ? "--resume" : "no --resume", "--resume",
                              "give it to all ranks, or to none"));
  const auto taken = take_over_options(arguments, communicator);
  if (!taken.ok()) return taken.status();
  arguments.device.ranks = communicator.size();
  arguments.device.ranks_on_host = ranks.on_this_host();
  arguments.device.rank_on_host = ranks.before_on_this_host();
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  if (arguments.train.stream && reads_host_memory(machine->context())) {
    return Status::usage("this device reads the images where they lie", "--stream",
                         "leave it out, or use --device cuda on a machine with a GPU");
  }
  print_note(machine->description());
  if (!taken->empty()) print_note(*taken);
  const auto sums = ranks.connect_devices(machine->context());
  if (!sums.ok()) return sums.status();
  auto start = start_of(arguments);
  if (!start.ok()) return start.status();
  // Before minutes go into decoding images. The folder is rank 0's: others keep no more than a log in it.
  TrainOptions& options = arguments.train;
  BAUTA_TRY(check_out_beside_data(options.out, arguments.data));
  BAUTA_TRY(
      agree(communicator, communicator.leads() ? RunFolder::check(options.out, options.resume) : Status()));

  DataWarnings warnings;
  const auto data = open_data(*machine, arguments, *start, warnings);
  if (!data.ok()) return data.status();
  if (start->classes.empty())
    BAUTA_TRY(put_into(start->model, zoo_model(start->model.name(), data->classes())));

  options.stop = &stop_on_signals(stopping);
  RankReport report(options, *data, start->model, ranks);
  const auto result = train(machine->context(), start->model, *data, options, report, **sums);
  report.finish();
  warnings.repeat_last();
  if (!result.ok()) return result.status();
  if (result->stopped) {
    print_note(fmt::format("stopped after step {}; the checkpoint is {}", result->steps, result->last_path));
    print_note(ranks.remedy());
    return kExitInterrupted;
  }
  report.print_result(*result);
  print_note(next_step(arguments, *result));
  return 0;
}

// --devices N: whether that many ranks can be had, and have still to be started.
Result<bool> must_launch(const TrainArguments& arguments) {
  const World world = launched_world();
  if (!arguments.devices) return false;
  const int devices = *arguments.devices;
  const std::string option = "--devices " + std::to_string(devices);
  if (world.size > 1 && devices != world.size) {
    return Status::usage(world.launcher + " has started another number of ranks", option,
                         "leave this option out");
  }
  if (devices < 2 || world.size > 1) return false;
  BAUTA_TRY(check_batch(arguments.train.batch, devices));
  return true;
}

// On CPUs mpirun; the CUDA kernels' ranks are this process's own, on GPUs if each can have one.
Result<Launcher> launcher_for(const std::string& device, int ranks) {
  if (device == "cpu") return Launcher::mpirun;
  if (device == "simt") return Launcher::bauta;
  const auto gpus = Gpu::count();
  if (!gpus.ok() && device == "auto") return Launcher::mpirun;
  if (!gpus.ok()) return gpus.status();
  BAUTA_TRY(check_gpus_for_ranks(ranks, *gpus, has_nccl()));
  return Launcher::bauta;
}

Result<int> run_train(TrainArguments arguments, const std::vector<std::string>& args) {
  // A reader of the output that goes away is told at the end, as a full disk is: the run is worth more.
  std::signal(SIGPIPE, SIG_IGN);
  const auto launches = must_launch(arguments);
  if (!launches.ok()) return launches.status();
  const std::string resume = resume_line(args, arguments.train.resume);
  if (*launches) {
    const auto launcher = launcher_for(arguments.device.device, *arguments.devices);
    if (!launcher.ok()) return launcher.status();
    return launch_ranks(*arguments.devices, *launcher, args, resume);
  }
  // Of several ranks already now: one that dies of a signal is a fault, and while they meet it hangs mpirun.
  if (const World world = launched_world(); world.size > 1)
    stop_on_signals(world.rank == 0 ? kStopping : nullptr);
  const auto ranks = Ranks::open(resume);
  if (!ranks.ok()) return ranks.status();
  auto code = train_as_rank(arguments, **ranks);
  return code.ok() ? code : (*ranks)->fail(code.status());
}

}  // namespace

Command train_command(CLI::App& app, const std::vector<std::string>& args) {
  CLI::App* train = app.add_subcommand("train", "Trains a network and writes the run into a folder");
  train->footer(kExamples);
  auto arguments = std::make_shared<TrainArguments>();
  TrainOptions& o = arguments->train;
  const auto add = [train](const char* name, auto& variable, const char* type, const char* description) {
    return train->add_option(name, variable, description)->type_name(type);
  };
  const auto add_number = [train](const char* name, auto& variable, std::uint64_t low, const char* what) {
    add_whole_number(*train, name, variable, what, low)->capture_default_str();
  };
  add("--data", arguments->data, "PATH", "folder, CSV manifest or pack of images")->required();
  add("--out", o.out, "RUN", "folder to write; must be new or empty, unless with --resume")->required();
  add_number("--epochs", o.epochs, 1, "times through the training images");
  add_number("--batch", o.batch, 1, "images of one step");
  add("--lr", o.lr, "X", "learning rate")->default_str("1e-5");
  add("--val", o.val, "X",
      "part of the images that validates, unless the data set says which; 0: train on everything")
      ->default_str("0.1");
  add_number("--seed", o.seed, 0, "random seed of initial weights, split, shuffling and augmentation");
  add("--class-weights", arguments->class_weights, "W",
      "auto: each class counts alike; none; or a number per class, without_mask first, else by name: A,B")
      ->capture_default_str();
  add_choice<Augment>(*train, "--augment", o.augment,
                      {{"none", Augment::none}, {"light", Augment::light}, {"strong", Augment::strong}},
                      "how much images are augmented: none, light or strong");
  add_choice<Schedule>(*train, "--schedule", o.schedule,
                       {{"constant", Schedule::constant}, {"cosine", Schedule::cosine}},
                       "learning-rate schedule: constant or cosine");
  add_choice<OptimizerKind>(*train, "--optimizer", o.optimizer.kind,
                            {{"adam", OptimizerKind::adam}, {"sgd", OptimizerKind::sgd}}, "adam or sgd");
  add("--momentum", arguments->momentum, "X", "of --optimizer sgd, at least 0 and less than 1")
      ->default_str("0.9");
  add("--init", o.init, "FILE",
      "weights to start from, which --resume reads again (default: Xavier uniform from the seed)");
  add("--model", arguments->model, "NAME", "a network of the zoo (default: study)");
  add_number("--max-steps", o.max_steps, 0, "end after N steps as at an epoch's end; 0: no limit");
  add_number("--save-every", o.save_every, 0, "steps between checkpoints; 0: at each epoch's end alone");
  add_switch(*train, "--resume", o.resume,
             "go on from the checkpoint in RUN; options left out are as they were");
  add_switch(*train, "--no-shuffle", arguments->no_shuffle, "keep the data set's order in every epoch");
  add_switch(*train, "--stream", o.stream,
             "copy images to the GPU batch by batch, even where its memory would hold them all");
  add_switch(*train, "--strict", arguments->strict,
             "an image that cannot be read is an error, not a warning");
  add_device_options(*train, arguments->device);
  add("--devices", arguments->devices, "N",
      "processes that share each batch, on this host's GPUs or cores, 1 to 8 (default: this one alone)")
      ->transform(whole_number_from(1, kMaxRanksOfHost));
  return {train,
          [train, arguments, args] {
            for (const CLI::Option* option : train->get_options()) {
              if (option->count() > 0) arguments->given.insert(option->get_name());
            }
            return run_train(*arguments, args);
          },
          /*takes_ranks=*/true};
}

}  // namespace bauta
