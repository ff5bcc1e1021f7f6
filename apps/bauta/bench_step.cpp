#include "apps/bauta/bench_step.h"

#include <utility>

#include "engine/core/host.h"
#include "engine/core/rng.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

// As many random images and labels as one batch, on a device.
Result<WholeBatch> random_batch(const Context& context, const Model& model, int batch) {
  RandomImages random = random_images(model, batch);
  return WholeBatch::create(context, random.pixels, std::move(random.labels));
}

}  // namespace

RandomImages random_images(const Model& model, int count) {
  Rng rng(0, RngStream::augment);
  RandomImages images;
  images.pixels.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(model.input().count()));
  for (std::uint8_t& byte : images.pixels) byte = static_cast<std::uint8_t>(rng.below(256));
  const auto classes = static_cast<std::uint32_t>(model.classes().size());
  for (int n = 0; n < count; ++n) images.labels.push_back(static_cast<std::int32_t>(rng.below(classes)));
  return images;
}

Result<TrainingStep> make_bench_step(const Context& context, const Model& model, int batch,
                                     Communicator& communicator) {
  auto graph = Graph::create(context, model, batch, GraphMode::training);
  if (!graph.ok()) return graph.status();
  std::vector<float> values(graph->parameter_values().size());
  initialize(graph->parameters(), 0, values);
  BAUTA_TRY(copy_to_device<float>(context, values, graph->parameter_values()));
  auto optimizer = make_optimizer(context, {}, values.size());
  if (!optimizer.ok()) return optimizer.status();
  return TrainingStep::create(std::move(*graph), std::move(*optimizer),
                              std::vector<float>(model.classes().size(), 1.0F), communicator);
}

Status start_step(TrainingStep& training, const DeviceBatch& batch, int step, float lr) {
  BAUTA_TRY(training.start(batch, step, lr));
  return finish_steps(training, training.most_unfinished() - 1);
}

Status finish_steps(TrainingStep& training, int left) {
  while (training.unfinished() > left) BAUTA_TRY(training.finish().status());
  return {};
}

Result<StepBench> StepBench::create(const Context& context, const Model& model, int batch) {
  auto step = make_bench_step(context, model, batch);
  if (!step.ok()) return step.status();
  auto data = random_batch(context, model, batch);
  if (!data.ok()) return data.status();
  return StepBench(std::move(*step), std::move(*data));
}

Result<double> StepBench::round(int steps) {
  const double begin = seconds_now();
  for (int i = 0; i < steps; ++i) BAUTA_TRY(start_step(step_, data_.get(), ++steps_done_, kBenchLr));
  BAUTA_TRY(finish_steps(step_, 0));
  return (seconds_now() - begin) / steps;
}

Result<double> StepBench::warm_up() {
  BAUTA_TRY(round(kWarmUpSteps + step_.steps_to_record()).status());
  return round(kWarmUpSteps);
}

Status run_study_step(const Context& context, int batch) {
  const auto model = zoo_model(zoo_names().front());
  if (!model.ok()) return model.status();
  auto bench = StepBench::create(context, *model, batch);
  if (!bench.ok()) return bench.status();
  return bench->round(1).status();
}

}  // namespace bauta
