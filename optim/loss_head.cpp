#include "optim/loss_head.h"

#include "kernels/softmax_xent/softmax_xent.h"

namespace bauta {

Result<LossHead> LossHead::create(const Graph& graph, std::vector<float> class_weights) {
  const Context& context = graph.context();
  const auto batch = static_cast<std::size_t>(graph.max_batch());
  auto weights = DeviceBuffer<float>::create(context, class_weights.size());
  if (!weights.ok()) return weights.status();
  auto labels = DeviceBuffer<std::int32_t>::create(context, batch);
  if (!labels.ok()) return labels.status();
  auto losses = DeviceBuffer<float>::create(context, batch);
  if (!losses.ok()) return losses.status();
  BAUTA_TRY(copy_to_device<float>(context, class_weights, weights->span()));
  LossHead head;
  head.class_weights_ = std::move(class_weights);
  head.losses_.resize(batch);
  head.weights_on_device_ = std::move(*weights);
  head.labels_on_device_ = std::move(*labels);
  head.losses_on_device_ = std::move(*losses);
  return head;
}

Result<std::span<const float>> LossHead::forward(Graph& graph, std::span<const std::uint8_t> pixels,
                                                 std::span<const std::int32_t> labels, float gradient_scale) {
  const std::span<float> losses = std::span(losses_).first(labels.size());
  if (labels.empty()) return std::span<const float>(losses);
  const Context& context = graph.context();
  BAUTA_TRY(graph.set_images(pixels));
  BAUTA_TRY(copy_to_device(context, labels, labels_on_device_.span()));
  const SoftmaxXentShape shape{static_cast<int>(labels.size()), static_cast<int>(class_weights_.size())};
  BAUTA_TRY(graph.forward(shape.batch));
  BAUTA_TRY(softmax_xent_loss(context, shape, graph.logits(), labels_on_device_.data(),
                              weights_on_device_.data(), gradient_scale, losses_on_device_.data(),
                              gradient_scale > 0 ? graph.logits_gradient() : nullptr));
  BAUTA_TRY(copy_to_host<float>(context, losses_on_device_.span().first(labels.size()), losses));
  return std::span<const float>(losses);
}

}  // namespace bauta
