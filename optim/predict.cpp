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

}  // namespace

Result<Predictions> predict(Graph& graph, const Dataset& data, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress) {
  BAUTA_TRY(check_size(graph.model(), data));
  auto head = LossHead::create(graph, {class_weights.begin(), class_weights.end()});
  if (!head.ok()) return head.status();
  const auto classes = class_weights.size();
  Predictions result;
  std::vector<float> all_logits(static_cast<std::size_t>(graph.max_batch()) * classes);
  LoaderOptions options;
  options.batch = graph.max_batch();
  options.workers = 1;
  Loader loader(data, {samples.begin(), samples.end()}, options);
  while (const auto batch = loader.next()) {
    const auto losses = head->forward(graph, batch->pixels, batch->labels);
    if (!losses.ok()) return losses.status();
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
      result.labels.push_back(batch->labels[n]);
      result.loss += {(*losses)[n], class_weights[static_cast<std::size_t>(batch->labels[n])]};
    }
    if (progress) progress(static_cast<int>(result.labels.size()));
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
