#include "optim/predict.h"

#include <algorithm>

#include "kernels/softmax_xent/softmax_xent.h"

namespace bauta {
namespace {

Status check_size(const Model& model, const Dataset& data) {
  const ImageSize in = image_size(model);
  if (in == data.image_size()) return {};
  return Status::error("the images are " + std::to_string(data.image_size().height) + "x" +
                           std::to_string(data.image_size().width) + ", the network wants " +
                           std::to_string(in.height) + "x" + std::to_string(in.width),
                       {}, "open or pack the data set at the network's size");
}

// This rank's samples: an even cut, in the order of ranks.
std::span<const int> part_of(std::span<const int> samples, const Communicator& communicator) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const auto begin = [&](std::size_t rank) { return rank * samples.size() / ranks; };
  const auto rank = static_cast<std::size_t>(communicator.rank());
  return samples.subspan(begin(rank), begin(rank + 1) - begin(rank));
}

// Puts every rank's values behind each other, on every rank.
template <class T>
Status join(Communicator& communicator, std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  const auto all = communicator.all_gather({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!all.ok()) return all.status();
  values.clear();
  for (const std::string& part : *all) {
    const std::size_t before = values.size();
    values.resize(before + part.size() / sizeof(T));
    part.copy(reinterpret_cast<char*>(values.data() + before), part.size());
  }
  return {};
}

/// The arrays of a prediction of N samples on the device.
struct OnDevice {
  DeviceBuffer<float> class_weights;     // [K]
  DeviceBuffer<std::int32_t> labels;     // [N]
  DeviceBuffer<std::int32_t> places;     // [N] of the samples among the images
  DeviceBuffer<float> losses;            // [N]
  DeviceBuffer<std::int32_t> predicted;  // [N]
  DeviceBuffer<float> probabilities;     // [N,K]

  static Result<OnDevice> create(const Context& context, std::size_t samples, std::size_t classes) {
    OnDevice arrays;
    BAUTA_TRY(arrays.class_weights.allocate(context, classes));
    BAUTA_TRY(arrays.labels.allocate(context, samples));
    BAUTA_TRY(arrays.places.allocate(context, samples));
    BAUTA_TRY(arrays.losses.allocate(context, samples));
    BAUTA_TRY(arrays.predicted.allocate(context, samples));
    BAUTA_TRY(arrays.probabilities.allocate(context, samples * classes));
    return arrays;
  }
};

// Fills what forward reads: a sample's place is its number where the device has the whole data set, and
// otherwise its position in its batch.
Status send_samples(const Context& context, const ImageFeed& feed, std::span<const int> samples, int batch,
                    OnDevice& arrays) {
  std::vector<std::int32_t> labels, places;
  for (const int sample : samples) {
    places.push_back(feed.at() == ImageFeed::At::device ? sample
                                                        : static_cast<std::int32_t>(labels.size()) % batch);
    labels.push_back(feed.dataset().label(sample));
  }
  BAUTA_TRY(copy_to_device<std::int32_t>(context, labels, arrays.labels.span()));
  return copy_to_device<std::int32_t>(context, places, arrays.places.span());
}

// Gives the device one batch's forward, whose results go to the arrays from sample `first` on.
Status predict_batch(Graph& graph, const DeviceBatch& batch, const OnDevice& arrays, std::size_t first) {
  const Context& context = graph.context();
  const std::size_t classes = arrays.class_weights.size();
  const SoftmaxXentShape shape{static_cast<int>(batch.labels.size()), static_cast<int>(classes)};
  BAUTA_TRY(graph.set_images(context, shape.batch, batch.images, batch.image_count,
                             arrays.places.data() + first, nullptr));
  BAUTA_TRY(graph.forward(shape.batch));
  BAUTA_TRY(softmax_xent_loss(
      context, shape, graph.logits(), arrays.labels.data() + first, arrays.class_weights.data(), nullptr,
      {.losses = arrays.losses.data() + first, .predicted = arrays.predicted.data() + first}));
  return softmax_forward(context, shape, graph.logits(), arrays.probabilities.data() + first * classes);
}

// predict() of some samples on one rank: all but labels and loss of `result`, and each sample's loss.
Status predict_part(Graph& graph, ImageFeed& feed, std::span<const int> samples,
                    std::span<const float> class_weights, Activity& activity, Predictions& result,
                    std::vector<float>& losses, const std::function<void(int done)>& progress) {
  BAUTA_TRY(check_size(graph.model(), feed.dataset()));
  const Context& context = graph.context();
  auto arrays = OnDevice::create(context, samples.size(), class_weights.size());
  if (!arrays.ok()) return arrays.status();
  BAUTA_TRY(copy_to_device<float>(context, class_weights, arrays->class_weights.span()));
  BAUTA_TRY(send_samples(context, feed, samples, graph.max_batch(), *arrays));
  LoaderOptions options;
  options.batch = graph.max_batch();
  options.workers = 1;
  const auto loader = feed.load({samples.begin(), samples.end()}, options);
  if (!loader.ok()) return loader.status();
  std::size_t first = 0;
  for (;;) {
    const auto batch = feed.next(**loader, activity);
    if (!batch.ok()) return batch.status();
    if (!*batch) break;
    {
      const Activity::Work work(activity);
      BAUTA_TRY(predict_batch(graph, **batch, *arrays, first));
    }
    first += (*batch)->labels.size();
    progress(static_cast<int>(first));
  }
  losses.resize(samples.size());
  result.predicted.resize(samples.size());
  result.probabilities.resize(samples.size() * class_weights.size());
  const Activity::Work work(activity, Activity::Kind::waits_for_gpu);
  BAUTA_TRY(copy_to_host<float>(context, arrays->losses.span(), losses));
  BAUTA_TRY(copy_to_host<std::int32_t>(context, arrays->predicted.span(), result.predicted));
  return copy_to_host<float>(context, arrays->probabilities.span(), result.probabilities);
}

}  // namespace

ImageSize image_size(const Model& model) {
  const Size3 in = model.input();
  return {in.height, in.width, in.channels};
}

Result<Predictions> predict(Graph& graph, const Dataset& data, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress) {
  auto feed = ImageFeed::create(graph.context(), data, graph.max_batch());
  if (!feed.ok()) return feed.status();
  return predict(graph, *feed, samples, class_weights, progress);
}

Result<Predictions> predict(Graph& graph, ImageFeed& feed, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress, Communicator& communicator) {
  const Activity::Work work(communicator.activity());
  Predictions result;
  std::vector<float> losses;
  const auto tell = [&](int done) {
    const Activity::Work telling(communicator.activity(), Activity::Kind::unwatched);
    if (progress) progress(std::min(done * communicator.size(), static_cast<int>(samples.size())));
  };
  BAUTA_TRY(predict_part(graph, feed, part_of(samples, communicator), class_weights, communicator.activity(),
                         result, losses, tell));
  BAUTA_TRY(join(communicator, result.predicted));
  BAUTA_TRY(join(communicator, result.probabilities));
  BAUTA_TRY(join(communicator, losses));
  for (std::size_t n = 0; n < samples.size(); ++n) {
    result.labels.push_back(feed.dataset().label(samples[n]));
    result.loss += {losses[n], class_weights[static_cast<std::size_t>(result.labels[n])]};
  }
  return result;
}

int positive_class(const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), "with_mask");
  return static_cast<int>(found == classes.end() ? classes.size() - 1
                                                 : static_cast<std::size_t>(found - classes.begin()));
}

Result<Evaluation> evaluate(const Predictions& predictions, const std::vector<std::string>& classes) {
  const int positive = positive_class(classes);
  std::vector<float> scores;
  for (std::size_t n = 0; n < predictions.labels.size(); ++n) {
    scores.push_back(predictions.probabilities[n * classes.size() + static_cast<std::size_t>(positive)]);
  }
  return evaluate(static_cast<int>(classes.size()), positive, predictions.labels, predictions.predicted,
                  scores);
}

}  // namespace bauta
