#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "apps/bauta/command.h"
#include "apps/bauta/inputs.h"
#include "apps/bauta/machine.h"
#include "apps/bauta/options.h"
#include "apps/bauta/terminal.h"
#include "engine/data/listing.h"
#include "engine/io/image.h"
#include "optim/predict.h"

namespace bauta {
namespace {

constexpr const char* kExamples = R"(Examples:
  bauta classify --weights runs/a/best.safetensors photo.jpg
      One line for each image: path, label, confidence (the probability of that label).
  bauta classify --weights runs/a/best.safetensors --threshold 0.9 photos
      Every image in a folder, at any depth. Where the confidence is below 0.9 the label is "uncertain".
  bauta classify --weights runs/a/best.safetensors --json photos/*.jpg | jq '.[].label'

An image, or a folder, that cannot be read gets a line on stderr, the others go on, and the exit code is 1.)";

constexpr int kBatch = 32;

struct ClassifyArguments {
  std::string weights;
  std::vector<std::string> images;  // and folders of them
  float threshold = 0;
  bool json = false;
  DeviceOptions device;
};

/// An image to classify, or what was given in place of one, and why there is none.
using Input = FoundImage;

/// Images that are decoded and classified together: those that could be read, and why the others could not.
struct Chunk {
  std::vector<Input> inputs;
  std::vector<std::string> readable;  // paths of inputs whose status is ok
  std::vector<std::uint8_t> pixels;   // theirs, [n, H, W, 3]
};

Chunk read_chunk(const Context& context, std::span<const Input> inputs, ImageSize size) {
  Chunk chunk{{inputs.begin(), inputs.end()}, {}, {}};
  chunk.pixels.resize(inputs.size() * size.bytes());
  const auto pixels_of = [&](std::size_t i) {
    return std::span(chunk.pixels).subspan(i * size.bytes(), size.bytes());
  };
  parallel_for(context, static_cast<int>(inputs.size()), [&](int index, int) {
    const auto i = static_cast<std::size_t>(index);
    Input& input = chunk.inputs[i];
    if (input.status.ok())
      input.status = load_network_input(input.path, size.width, size.height, pixels_of(i));
  });
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!chunk.inputs[i].status.ok()) continue;
    if (chunk.readable.size() != i) std::ranges::copy(pixels_of(i), pixels_of(chunk.readable.size()).begin());
    chunk.readable.push_back(chunk.inputs[i].path);
  }
  chunk.pixels.resize(chunk.readable.size() * size.bytes());
  return chunk;
}

// The readable images as a data set; nobody reads its labels.
Dataset unlabelled(const Chunk& chunk, const Model& model) {
  Dataset::Contents contents;
  contents.size = image_size(model);
  contents.classes = model.classes();
  contents.names = chunk.readable;
  contents.labels.assign(chunk.readable.size(), 0);
  contents.pixels = chunk.pixels;
  return Dataset(std::move(contents));
}

OrderedJson probabilities_json(std::span<const float> probabilities,
                               const std::vector<std::string>& classes) {
  OrderedJson json = OrderedJson::object();
  for (std::size_t c = 0; c < classes.size(); ++c) json[classes[c]] = probabilities[c];
  return json;
}

/// Prints results as they come, in the images' order: lines, or the elements of an array of JSON.
class Printer {
 public:
  Printer(const ClassifyArguments& arguments, std::span<const Input> inputs,
          const std::vector<std::string>& classes)
      : arguments_(arguments), classes_(classes) {
    for (const Input& input : inputs) width_ = std::max(width_, input.path.size());
    width_ = std::min<std::size_t>(width_, 60);
  }

  void print(const Chunk& chunk, const Predictions& predictions) {
    std::size_t n = 0;
    for (const Input& input : chunk.inputs) {
      if (input.status.ok()) {
        print_image(input.path, predictions, n++);
      } else {
        print_failure(input);
      }
    }
  }

  /// Ends the array; returns the exit code.
  int finish() const {
    if (arguments_.json) print_text(first_ ? "[]\n" : "]\n");
    return failed_ ? 1 : 0;
  }

 private:
  void print_image(const std::string& path, const Predictions& predictions, std::size_t n) {
    const std::size_t classes = classes_.size();
    const auto probabilities = std::span(predictions.probabilities).subspan(n * classes, classes);
    const auto predicted = static_cast<std::size_t>(predictions.predicted[n]);
    const float confidence = probabilities[predicted];
    const std::string label = confidence < arguments_.threshold ? "uncertain" : classes_[predicted];
    if (arguments_.json) {
      print_element({{"path", path},
                     {"label", label},
                     {"confidence", confidence},
                     {"probabilities", probabilities_json(probabilities, classes_)}});
    } else {
      print_note(fmt::format("{:<{}}  {:<12}  {:.4f}", path, width_, label, confidence));
    }
  }

  void print_failure(const Input& input) {
    failed_ = true;
    print_error(input.status.message());
    if (arguments_.json) print_element({{"path", input.path}, {"error", input.status.message()}});
  }

  void print_element(const OrderedJson& json) {
    print_text(first_ ? "[" : ",");
    print_json(json);
    first_ = false;
  }

  const ClassifyArguments& arguments_;
  const std::vector<std::string>& classes_;
  std::size_t width_ = 0;
  bool first_ = true;
  bool failed_ = false;
};

// What there is to classify: the paths, with the images in each folder in its place.
std::vector<Input> inputs_of(const std::vector<std::string>& paths) {
  std::vector<Input> inputs;
  for (const std::string& path : paths) {
    std::error_code unused;
    if (!std::filesystem::is_directory(path, unused)) {
      inputs.push_back({path, {}});
      continue;
    }
    const std::vector<Input> images = images_in(path, print_warning);
    if (images.empty())
      inputs.push_back(
          {path, Status::error("there are no images in this folder", path,
                               "name one that holds JPEG, PNG, BMP, GIF, TGA, PPM or PGM files")});
    inputs.insert(inputs.end(), images.begin(), images.end());
  }
  return inputs;
}

Result<int> run_classify(const ClassifyArguments& arguments) {
  const auto machine = Machine::open(arguments.device);
  if (!machine.ok()) return machine.status();
  // A line of stdout for each image, and no other.
  print_note(machine->description(), /*keep_stdout=*/true);
  const auto weights = open_weights_noted(arguments.weights, /*keep_stdout=*/true);
  if (!weights.ok()) return weights.status();
  const Model& model = weights->model;
  auto graph = trained_graph(machine->context(), *weights, kBatch);
  if (!graph.ok()) return graph.status();

  const std::vector<float> alike(model.classes().size(), 1.0F);
  const std::vector<Input> inputs = inputs_of(arguments.images);
  Printer printer(arguments, inputs, model.classes());
  const auto classify_part = [&](std::span<const Input> part) -> Status {
    const Chunk chunk = read_chunk(machine->context(), part, image_size(model));
    std::vector<int> samples(chunk.readable.size());
    std::iota(samples.begin(), samples.end(), 0);
    const auto predictions = predict(*graph, unlabelled(chunk, model), samples, alike, {});
    if (!predictions.ok()) return predictions.status();
    BAUTA_TRY(check_finite(*predictions, arguments.weights));
    printer.print(chunk, *predictions);
    return {};
  };
  Status status;
  for (std::size_t begin = 0; begin < inputs.size() && status.ok(); begin += kBatch) {
    status =
        classify_part(std::span(inputs).subspan(begin, std::min<std::size_t>(kBatch, inputs.size() - begin)));
  }
  const int code = printer.finish();  // after a failure, too: JSON that was begun is ended
  if (!status.ok()) return status;
  return code;
}

}  // namespace

Command classify_command(CLI::App& app) {
  CLI::App* classify = app.add_subcommand("classify", "Says what images show");
  classify->footer(kExamples);
  auto arguments = std::make_shared<ClassifyArguments>();
  classify
      ->add_option("--weights", arguments->weights,
                   "weights that bauta wrote, or a PyTorch state dict as safetensors")
      ->required()
      ->type_name("FILE");
  classify->add_option("images", arguments->images, "images (JPEG, PNG, BMP ...), or folders of them")
      ->required()
      ->type_name("IMAGE");
  classify
      ->add_option("--threshold", arguments->threshold,
                   "below this confidence, from 0 to 1, the label is \"uncertain\"")
      ->check(number_from(0, 1))
      ->type_name("X");
  add_switch(*classify, "--json", arguments->json, "an array of JSON on stdout");
  add_device_options(*classify, arguments->device);
  return {classify, [arguments] { return run_classify(*arguments); }};
}

}  // namespace bauta
