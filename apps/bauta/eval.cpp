#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>

#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/predictions_table.h"
#include "apps/bauta/terminal.h"
#include "engine/data/split.h"
#include "optim/predict.h"
#include "optim/run_config.h"
#include "optim/run_folder.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta eval --weights runs/a/best.safetensors --data unseen
      Accuracy, a table of the classes and their average, ROC-AUC, the confusion matrix, and the ten worst mistakes by name.
  bauta eval --weights runs/a/best.safetensors --data unseen --json | jq .accuracy
      The same as one object of JSON, with all mistakes.
  bauta eval --weights runs/a/best.safetensors --data unseen --predictions predictions.csv
      Also writes what the network says of each image, for a table of your own.
  bauta eval --weights runs/a/best.safetensors --data unseen --threshold 0.9
      Also says how many images the network is less than 90 % sure of, and how good it is on the others.
  bauta eval --weights pytorch_model.safetensors --data photos.csv
      A PyTorch state dict of the study's network needs no conversion.
  bauta eval --run runs/a --data faces
      The best weights of a run on the part of its images that it kept for validation.
  bauta eval --run runs/a --data faces --part train
      On the part that it was trained on: the gap to the validation accuracy tells how much it has learnt by heart.
  bauta eval --run runs/a --data faces --part test
      On what faces, which comes split into folders train, val and test, has to test.

Confidence is the probability of the predicted class. Accuracy, classes, ROC-AUC, confusion and mistakes are about all
images, whatever the threshold; images below it are counted as uncertain besides.)";

constexpr int kBatch = 32;
constexpr std::size_t kWorstMistakes = 10;

struct EvalArguments {
  std::string weights;
  std::string run;  // whose parts count
  std::string data;
  std::optional<Part> part;
  std::optional<double> threshold;
  std::string predictions;  // a file to write; empty: none
  bool strict = false;
  bool json = false;
  DeviceOptions device;
};

struct Mistake {
  int sample;
  std::int32_t label;
  std::int32_t predicted;
  float confidence;
};

/// What the images below and above the threshold come to.
struct Uncertain {
  int images = 0;         // confidence below the threshold
  int certain_right = 0;  // of the others
};

/// All that eval found, to be shown in one way or the other.
struct EvalResult {
  const EvalArguments& arguments;
  const Dataset& data;
  std::optional<Part> part;  // which the images are; none: all
  int images;
  Evaluation evaluation;
  double loss;
  std::vector<Mistake> mistakes;  // highest confidence first
  Uncertain uncertain;

  int certain() const { return images - uncertain.images; }
  double certain_accuracy() const { return static_cast<double>(uncertain.certain_right) / certain(); }
};

float confidence(const Predictions& p, std::size_t n, std::size_t classes) {
  return p.probabilities[n * classes + static_cast<std::size_t>(p.predicted[n])];
}

std::vector<Mistake> mistakes_of(const Predictions& p, std::span<const int> samples, std::size_t classes) {
  std::vector<Mistake> mistakes;
  for (std::size_t n = 0; n < p.labels.size(); ++n) {
    if (p.predicted[n] == p.labels[n]) continue;
    mistakes.push_back({samples[n], p.labels[n], p.predicted[n], confidence(p, n, classes)});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.confidence > b.confidence; });
  return mistakes;
}

Uncertain uncertain_of(const Predictions& p, std::size_t classes, float threshold) {
  Uncertain result;
  for (std::size_t n = 0; n < p.labels.size(); ++n) {
    const bool certain = confidence(p, n, classes) >= threshold;
    result.images += certain ? 0 : 1;
    result.certain_right += certain && p.predicted[n] == p.labels[n] ? 1 : 0;
  }
  return result;
}

OrderedJson to_json(const ClassMetrics& m) {
  return {{"precision", m.precision}, {"recall", m.recall}, {"f1", m.f1}, {"support", m.support}};
}

OrderedJson to_json(const EvalResult& r) {
  const auto& classes = r.data.classes();
  OrderedJson per_class = OrderedJson::object();
  OrderedJson confusion = OrderedJson::array();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    per_class[classes[c]] = to_json(r.evaluation.per_class[c]);
    const auto row = r.evaluation.confusion.begin() + static_cast<std::ptrdiff_t>(c * classes.size());
    confusion.push_back(std::vector<int>(row, row + static_cast<std::ptrdiff_t>(classes.size())));
  }
  OrderedJson mistakes = OrderedJson::array();
  for (const Mistake& m : r.mistakes) {
    mistakes.push_back({{"path", r.data.name(m.sample)},
                        {"label", classes[static_cast<std::size_t>(m.label)]},
                        {"predicted", classes[static_cast<std::size_t>(m.predicted)]},
                        {"confidence", m.confidence}});
  }
  OrderedJson json{{"weights", r.arguments.weights},
                   {"run", r.arguments.run.empty() ? OrderedJson() : OrderedJson(r.arguments.run)},
                   {"data", r.arguments.data},
                   {"part", r.part ? OrderedJson(name_of(*r.part)) : OrderedJson()},
                   {"images", r.images},
                   {"left_out", r.data.left_out()},
                   {"classes", classes},
                   {"accuracy", r.evaluation.accuracy},
                   {"loss", r.loss},
                   {"per_class", per_class},
                   {"macro_average", to_json(r.evaluation.macro_average)},
                   {"positive_class", classes[static_cast<std::size_t>(positive_class(classes))]},
                   {"roc_auc", r.evaluation.roc_auc},
                   {"confusion", confusion},
                   {"mistakes", mistakes}};
  if (r.arguments.threshold) {
    json["uncertain"] = {{"threshold", *r.arguments.threshold}, {"images", r.uncertain.images}};
    json["uncertain"]["accuracy_of_the_others"] =
        r.certain() > 0 ? OrderedJson(r.certain_accuracy()) : OrderedJson();
  }
  return json;
}

std::string class_table(const EvalResult& r) {
  std::vector<std::vector<std::string>> rows = {{"class", "precision", "recall", "f1", "images"}};
  const auto add = [&](const std::string& name, const ClassMetrics& m) {
    rows.push_back({name, fmt::format("{:.4f}", m.precision), fmt::format("{:.4f}", m.recall),
                    fmt::format("{:.4f}", m.f1), with_commas(m.support)});
  };
  for (std::size_t c = 0; c < r.data.classes().size(); ++c)
    add(r.data.classes()[c], r.evaluation.per_class[c]);
  add("macro average", r.evaluation.macro_average);
  return table(rows);
}

std::string confusion_table(const EvalResult& r) {
  const auto& classes = r.data.classes();
  std::vector<std::vector<std::string>> rows = {{"true \\ predicted"}};
  rows[0].insert(rows[0].end(), classes.begin(), classes.end());
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<std::string> row = {classes[c]};
    for (std::size_t p = 0; p < classes.size(); ++p) {
      row.push_back(with_commas(r.evaluation.confusion[c * classes.size() + p]));
    }
    rows.push_back(row);
  }
  return table(rows);
}

std::string mistakes_table(const EvalResult& r) {
  const auto& classes = r.data.classes();
  std::vector<std::vector<std::string>> rows = {{"path", "is", "taken for", "confidence"}};
  for (std::size_t i = 0; i < std::min(kWorstMistakes, r.mistakes.size()); ++i) {
    const Mistake& m = r.mistakes[i];
    rows.push_back({r.data.name(m.sample), classes[static_cast<std::size_t>(m.label)],
                    classes[static_cast<std::size_t>(m.predicted)], fmt::format("{:.4f}", m.confidence)});
  }
  return table(rows, {1, 2});
}

std::string uncertain_text(const EvalResult& r) {
  std::string text =
      fmt::format("{} uncertain (confidence below {:g})",
                  counted(r.uncertain.images, "image") + (r.uncertain.images == 1 ? " is" : " are"),
                  *r.arguments.threshold);
  if (r.certain() == 0) return text;
  return text + fmt::format("; accuracy on the others {:.4f}", r.certain_accuracy());
}

// Which images of the data set these are; empty: all.
std::string which_images(const EvalResult& r) {
  if (!r.part) return "";
  if (r.arguments.run.empty() || *r.part == Part::test) return fmt::format(" of part {}", name_of(*r.part));
  return *r.part == Part::val ? " kept for validation" : " trained on";
}

void print_result(const EvalResult& r) {
  print_note(fmt::format("accuracy {:.4f} on {}{}, {}; cross-entropy {:.4g}", r.evaluation.accuracy,
                         counted(r.images, "image"), which_images(r),
                         counted(std::ssize(r.mistakes), "mistake"), r.loss));
  const std::string& positive = r.data.classes()[static_cast<std::size_t>(positive_class(r.data.classes()))];
  print_note(std::isnan(r.evaluation.roc_auc)
                 ? "no ROC-AUC of " + positive + ": it takes images of it, and others"
                 : fmt::format("ROC-AUC of {} {:.4f}", positive, r.evaluation.roc_auc));
  if (r.arguments.threshold) print_note(uncertain_text(r));
  print_text(fmt::format("\n{}\n{}", class_table(r), confusion_table(r)));
  if (r.mistakes.empty()) return;
  print_text(fmt::format("\nworst mistakes, {} of {}\n{}", std::min(kWorstMistakes, r.mistakes.size()),
                         r.mistakes.size(), mistakes_table(r)));
}

// Of the network's classes some may have no image. The progress bar goes with the options.
Result<Dataset> open_data(const Machine& machine, const EvalArguments& arguments, const Model& model) {
  OpenOptions options = open_options(machine, image_size(model), arguments.strict);
  options.classes = model.classes();
  options.to_train = false;
  return open_dataset(arguments.data, options);
}

// Those of a part that the data set itself says.
Result<std::vector<int>> samples_of_part(const EvalArguments& arguments, Part part, const Dataset& data) {
  auto samples = samples_of(data, part);
  if (!samples.empty()) return samples;
  return Status::usage(fmt::format("the data set has no part {}", name_of(part)), arguments.data,
                       "put folders train, val and test around those of its classes, or add a column split "
                       "to the manifest");
}

// Those that the run with this configuration trained on, or kept for validation.
Result<std::vector<int>> samples_of_run(const EvalArguments& arguments, Part part, const std::string& config,
                                        const Dataset& data) {
  auto split = split_of_run(config, data, config_path(arguments.run));
  if (!split.ok()) return split.status();
  if (part == Part::train) return std::move(split->train);
  if (!split->val.empty()) return std::move(split->val);
  return Status::usage("the run trained on all images, and kept none for validation", arguments.run,
                       "use --weights, and images that it was not trained on");
}

// The samples of a part; without one, all.
Result<std::vector<int>> samples_that_count(const EvalArguments& arguments, std::optional<Part> part,
                                            const std::string& config, const Dataset& data) {
  if (part && (arguments.run.empty() || *part == Part::test)) return samples_of_part(arguments, *part, data);
  if (part) return samples_of_run(arguments, *part, config, data);
  if (data.is_split()) {
    print_warning("all images of the data set count, those to train on, too: name a part by --part (" +
                  arguments.data + ")");
  }
  std::vector<int> all(static_cast<std::size_t>(data.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// The best weights of a run.
Result<std::string> best_of(const std::string& run) {
  std::error_code unused;
  if (std::filesystem::exists(best_path(run), unused)) return best_path(run);
  return Status::error("the run has not finished an epoch yet", run,
                       "wait for it, or go on with it by bauta train --resume");
}

Status check_arguments(const EvalArguments& arguments) {
  if (arguments.weights.empty() && arguments.run.empty()) {
    return Status::usage("no weights are given", "--weights or --run",
                         "name a file of weights, or the folder of a run");
  }
  // Before all images are read for nothing.
  return arguments.predictions.empty() ? Status{} : check_predictions_table(arguments.predictions);
}

Result<Predictions> predictions_of(Graph& graph, const Dataset& data, std::span<const int> samples) {
  const std::vector<float> alike(data.classes().size(), 1.0F);
  Progress bar("evaluating", static_cast<int>(samples.size()));
  return predict(graph, data, samples, alike, [&](int done) { bar.update(done); });
}

Result<int> run_eval(EvalArguments arguments) {
  BAUTA_TRY(check_arguments(arguments));
  std::string config;
  if (!arguments.run.empty()) BAUTA_TRY(put_into(config, read_config(arguments.run)));
  if (arguments.weights.empty()) BAUTA_TRY(put_into(arguments.weights, best_of(arguments.run)));
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  print_note(machine->description(), arguments.json);
  const auto weights = open_weights_noted(arguments.weights, arguments.json);
  if (!weights.ok()) return weights.status();
  const Model& model = weights->model;
  const auto data = open_data(*machine, arguments, model);
  if (!data.ok()) return data.status();
  auto graph = trained_graph(machine->context(), *weights, kBatch);
  if (!graph.ok()) return graph.status();

  // Of a run, what it kept for validation, unless a part is named.
  const auto part = arguments.run.empty() || arguments.part ? arguments.part : Part::val;
  const auto samples = samples_that_count(arguments, part, config, *data);
  if (!samples.ok()) return samples.status();
  const auto predictions = predictions_of(*graph, *data, *samples);
  if (!predictions.ok()) return predictions.status();
  BAUTA_TRY(check_finite(*predictions, arguments.weights));
  auto evaluation = evaluate(*predictions, model.classes());
  if (!evaluation.ok()) return evaluation.status().in(arguments.weights);
  if (!arguments.predictions.empty())
    BAUTA_TRY(write_predictions_table(arguments.predictions, *data, *samples, *predictions));

  const std::size_t classes = model.classes().size();
  EvalResult result{arguments,
                    *data,
                    part,
                    static_cast<int>(samples->size()),
                    std::move(*evaluation),
                    predictions->loss.mean(),
                    mistakes_of(*predictions, *samples, classes),
                    {}};
  if (arguments.threshold)
    result.uncertain = uncertain_of(*predictions, classes, static_cast<float>(*arguments.threshold));
  if (arguments.json) {
    print_json(to_json(result));
  } else {
    print_result(result);
  }
  if (!arguments.predictions.empty())
    print_note("predictions: " + arguments.predictions, /*keep_stdout=*/arguments.json);
  return 0;
}

}  // namespace

Command eval_command(CLI::App& app) {
  CLI::App* eval = app.add_subcommand("eval", "Measures trained weights on a data set");
  eval->footer(kExamples);
  auto arguments = std::make_shared<EvalArguments>();
  eval->add_option("--weights", arguments->weights,
                   "weights that bauta wrote, or a PyTorch state dict as safetensors")
      ->type_name("FILE");
  eval->add_option("--run", arguments->run,
                   "folder of a run: its best weights, unless --weights names others, on its validation part "
                   "of --data")
      ->type_name("RUN");
  eval->add_option("--data", arguments->data, "folder, CSV manifest or pack of images")
      ->required()
      ->type_name("PATH");
  add_choice<std::optional<Part>>(*eval, "--part", arguments->part,
                                  {{"train", Part::train}, {"val", Part::val}, {"test", Part::test}},
                                  "of a run, or of a data set that comes split, these images alone");
  eval->add_option("--threshold", arguments->threshold,
                   "count images with a confidence below X, from 0 to 1, as uncertain")
      ->check(number_from(0, 1))
      ->type_name("X");
  eval->add_option("--predictions", arguments->predictions,
                   "CSV file to write: of each image path, label, prediction and probabilities")
      ->type_name("FILE");
  add_switch(*eval, "--strict", arguments->strict, "an image that cannot be read is an error, not a warning");
  add_switch(*eval, "--json", arguments->json, "one object of JSON on stdout");
  add_device_options(*eval, arguments->device);
  return {eval, [arguments] { return run_eval(*arguments); }};
}

}  // namespace bauta
