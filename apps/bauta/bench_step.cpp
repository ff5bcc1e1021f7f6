#include "apps/bauta/bench_step.h"

#include "engine/core/rng.h"

namespace bauta {

Result<RandomBatch> RandomBatch::create(const Context& context, const Model& model, int batch) {
  Rng rng(0, RngStream::augment);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(batch) *
                                   static_cast<std::size_t>(model.input().count()));
  for (std::uint8_t& byte : pixels) byte = static_cast<std::uint8_t>(rng.below(256));
  RandomBatch result;
  const auto classes = static_cast<std::uint32_t>(model.classes().size());
  for (int n = 0; n < batch; ++n) {
    result.labels_.push_back(static_cast<std::int32_t>(rng.below(classes)));
    result.places_.push_back(n);
  }
  auto images = DeviceBuffer<std::uint8_t>::create(context, pixels.size());
  if (!images.ok()) return images.status();
  BAUTA_TRY(copy_to_device<std::uint8_t>(context, pixels, images->span()));
  result.images_ = std::move(*images);
  return result;
}

DeviceBatch RandomBatch::step_batch() const {
  DeviceBatch batch;
  batch.labels = batch.global_labels = labels_;
  batch.shards = Shards{static_cast<int>(labels_.size())};
  batch.images = images_.data();
  batch.image_count = static_cast<int>(labels_.size());
  batch.places = places_;
  return batch;
}

Result<TrainingStep> make_bench_step(const Context& context, const Model& model, int batch) {
  auto graph = Graph::create(context, model, batch, GraphMode::training);
  if (!graph.ok()) return graph.status();
  std::vector<float> values(graph->parameter_values().size());
  initialize(graph->parameters(), 0, values);
  BAUTA_TRY(copy_to_device<float>(context, values, graph->parameter_values()));
  auto optimizer = make_optimizer(context, {}, values.size());
  if (!optimizer.ok()) return optimizer.status();
  return TrainingStep::create(std::move(*graph), std::move(*optimizer),
                              std::vector<float>(model.classes().size(), 1.0F));
}

}  // namespace bauta
