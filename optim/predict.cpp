#include "optim/predict.h"

#include <algorithm>

#include "engine/data/loader.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "optim/loss_head.h"

namespace bauta {
namespace {

Status check_size(const Model& model, const Dataset& data) {
  const Size3 in = model.input();
  if (ImageSize{in.height, in.width, in.channels} == data.image_size()) return {};
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
  const auto all = communicator.gather({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!all.ok()) return all.status();
  values.clear();
  for (const std::string& part : *all) {
    const std::size_t before = values.size();
    values.resize(before + part.size() / sizeof(T));
    part.copy(reinterpret_cast<char*>(values.data() + before), part.size());
  }
  return {};
}

// predict() of some samples on one rank: all but labels and loss of `result`, and each sample's loss.
Status predict_part(Graph& graph, const Dataset& data, std::span<const int> samples,
                    std::span<const float> class_weights, Predictions& result, std::vector<float>& losses,
                    const std::function<void(int done)>& progress) {
  BAUTA_TRY(check_size(graph.model(), data));
  auto head = LossHead::create(graph, {class_weights.begin(), class_weights.end()});
  if (!head.ok()) return head.status();
  const auto classes = class_weights.size();
  std::vector<float> all_logits(static_cast<std::size_t>(graph.max_batch()) * classes);
  LoaderOptions options;
  options.batch = graph.max_batch();
  options.workers = 1;
  Loader loader(data, {samples.begin(), samples.end()}, options);
  while (const auto batch = loader.next()) {
    const auto batch_losses = head->forward(graph, batch->pixels, batch->labels);
    if (!batch_losses.ok()) return batch_losses.status();
    losses.insert(losses.end(), batch_losses->begin(), batch_losses->end());
    const std::size_t count = batch->labels.size();
    const std::size_t before = result.probabilities.size();
    result.probabilities.resize(before + count * classes);
    const std::span<float> on_device(graph.logits(), count * classes);
    BAUTA_TRY(copy_to_host<float>(graph.context(), on_device, all_logits));
    const SoftmaxXentShape shape{static_cast<int>(count), static_cast<int>(classes)};
    BAUTA_TRY(softmax_forward(graph.context(), shape, on_device.data(), on_device.data()));
    BAUTA_TRY(
        copy_to_host<float>(graph.context(), on_device, std::span(result.probabilities).subspan(before)));
    for (std::size_t n = 0; n < count; ++n) {
      const float* logits = all_logits.data() + n * classes;
      result.predicted.push_back(
          static_cast<std::int32_t>(std::max_element(logits, logits + classes) - logits));
    }
    progress(static_cast<int>(losses.size()));
  }
  return {};
}

}  // namespace

Result<Predictions> predict(Graph& graph, const Dataset& data, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress, Communicator& communicator) {
  Predictions result;
  std::vector<float> losses;
  const auto tell = [&](int done) {
    if (progress) progress(std::min(done * communicator.size(), static_cast<int>(samples.size())));
  };
  BAUTA_TRY(predict_part(graph, data, part_of(samples, communicator), class_weights, result, losses, tell));
  BAUTA_TRY(join(communicator, result.predicted));
  BAUTA_TRY(join(communicator, result.probabilities));
  BAUTA_TRY(join(communicator, losses));
  for (std::size_t n = 0; n < samples.size(); ++n) {
    result.labels.push_back(data.label(samples[n]));
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
