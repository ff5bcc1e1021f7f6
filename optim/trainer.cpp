#include "optim/trainer.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>

#include "engine/core/hash.h"
#include "engine/core/host.h"
#include "engine/data/image_feed.h"
#include "engine/data/order.h"
#include "engine/data/split.h"
#include "engine/io/json.h"
#include "layers/weights.h"
#include "optim/checkpoint.h"
#include "optim/open_run.h"
#include "optim/predict.h"
#include "optim/run_config.h"
#include "optim/training_step.h"

namespace bauta {
namespace {

bool is_positive(float x) { return x > 0 && std::isfinite(x); }

Status check_class_count(const Model& model, const Dataset& data) {
  if (data.classes().size() == model.classes().size()) return {};
  return Status::usage("the data set has " + std::to_string(data.classes().size()) +
                           " classes, the network " + std::to_string(model.classes().size()),
                       "--data", "choose a network with an output for each class");
}

Status check_ranks(const Context& context, const TrainOptions& options, const Communicator& communicator) {
  if (communicator.size() == 1) return {};
  BAUTA_TRY(check_batch(options.batch, communicator.size()));
  if (communicator.sums_on_gpus() == (context.backend == Backend::cuda)) return {};
  return Status::error("this communicator does not sum in the memory of this device", "--device",
                       "give GPUs the communicator of open_nccl, and no other device");
}

Result<std::vector<float>> class_weights(const ClassWeights& wanted, const Dataset& data,
                                         const Split& split) {
  const std::size_t classes = data.classes().size();
  if (wanted.kind == ClassWeights::Kind::none) return std::vector<float>(classes, 1.0F);
  if (wanted.kind == ClassWeights::Kind::given) {
    if (wanted.values.size() == classes) return wanted.values;
    return Status::usage(std::to_string(classes) + " classes need as many class weights, not " +
                             std::to_string(wanted.values.size()),
                         "--class-weights", "give one for each class, or use auto or none");
  }
  std::vector<std::int32_t> labels;
  for (int sample : split.train) labels.push_back(data.label(sample));
  return balanced_class_weights(labels, static_cast<int>(classes));
}

// Samples of a global batch: no more than there are to train on, so that no memory is taken for others.
int global_batch(const TrainOptions& options, const Split& split) {
  return std::min(options.batch, static_cast<int>(split.train.size()));
}

/// One run: the state between its steps, and the loop over epochs.
class Trainer {
 public:
  Trainer(const Dataset& data, const TrainOptions& options, TrainObserver& observer, Split split,
          TrainingStep step, ImageFeed feed, std::optional<RunFolder> folder, TrainingState state,
          std::string config, Communicator& communicator)
      : data_(data),
        options_(options),
        observer_(observer),
        split_(std::move(split)),
        step_(std::move(step)),
        feed_(std::move(feed)),
        folder_(std::move(folder)),
        state_(state),
        config_(std::move(config)),
        communicator_(communicator) {}

  Result<TrainResult> run(bool bare_init, const std::string& computed_by) {
    observer_.on_start({static_cast<int>(split_.train.size()), static_cast<int>(split_.val.size()),
                        step_.class_weights(), batches_per_epoch(), state_.step, computed_by,
                        step_.graph().arena_bytes(), bare_init});
    while (state_.epoch < options_.epochs && !state_.ended_early) {
      BAUTA_TRY(train_epoch());
      if (stopped_) break;
      BAUTA_TRY(close_epoch());
      if (state_.epoch < options_.epochs && !state_.ended_early) BAUTA_TRY(look_for_stop());
      if (stopped_) break;
    }
    // No rank leaves before rank 0 has written everything.
    BAUTA_TRY(communicator_.all_gather({}).status());
    return TrainResult{state_.step, state_.best_val_acc,     state_.best_epoch,
                       stopped_,    best_path(options_.out), last_path(options_.out)};
  }

 private:
  int batches_per_epoch() const {
    const int batch = global_batch(options_, split_);
    return (static_cast<int>(split_.train.size()) + batch - 1) / batch;
  }

  LoaderOptions loader_options() const {
    LoaderOptions loading;
    loading.batch = global_batch(options_, split_);
    loading.augment = options_.augment;
    loading.seed = options_.seed;
    loading.epoch = state_.epoch;
    loading.first_batch = state_.batch;
    loading.workers = options_.workers;
    loading.rank = communicator_.rank();
    loading.ranks = communicator_.size();
    return loading;
  }

  // Begins to load what follows the steps that are finished.
  Status load() {
    loader_.reset();
    auto loader = feed_.load(epoch_order(split_.train, options_.seed, state_.epoch, options_.shuffle),
                             loader_options());
    if (!loader.ok()) return loader.status();
    loader_ = std::move(*loader);
    return {};
  }

  // From where the state stands in its epoch to the epoch's end, or to where the run is told to stop. The
  // state counts the steps that are finished.
  Status train_epoch() {
    epoch_began_ = seconds_now() - state_.seconds;
    BAUTA_TRY(load());
    BAUTA_TRY(train_batches());
    loader_.reset();
    return {};
  }

  Status train_batches() {
    const Activity::Work work(communicator_.activity());
    while (!state_.ended_early) {
      const auto batch = feed_.next(*loader_, communicator_.activity());
      if (!batch.ok()) return batch.status();
      if (!*batch) break;
      BAUTA_TRY(start_step(**batch));
      BAUTA_TRY(finish_steps(step_.most_unfinished() - 1));
      const std::int64_t started = state_.step + step_.unfinished();
      const bool ends_run = started == options_.max_steps;
      const bool last = (*batch)->index + 1 == loader_->batches() || ends_run;
      const bool due = options_.save_every > 0 && started % options_.save_every == 0;
      if (last || due || started % steps_between_meetings() == 0) BAUTA_TRY(look_for_stop());
      stopped_ = stopped_ && !last;  // the epoch's end asks again
      if (last || due || stopped_) BAUTA_TRY(finish_steps(0));
      state_.ended_early = ends_run;
      if (!last && (due || stopped_)) BAUTA_TRY(save_checkpoint());
      if (stopped_) break;
    }
    return {};
  }

  // A feed that streams waits for the third step before the batch that it fetches: all ranks have to have
  // started that one.
  int steps_between_meetings() const {
    return feed_.at() == ImageFeed::At::streamed ? 1 : step_.steps_summed_together();
  }

  // Whether any rank was asked to stop. By then all ranks have given what was started to their devices, so
  // that none waits for its own while another is still loading or writing a checkpoint.
  Status look_for_stop() {
    const Activity::Work work(communicator_.activity());
    return put_into(stopped_, on_any_rank(communicator_, options_.stop != nullptr && *options_.stop));
  }

  float learning_rate(std::int64_t step) const {
    return scheduled_lr(options_.schedule, options_.lr, step,
                        std::int64_t{options_.epochs} * batches_per_epoch());
  }

  Status start_step(const DeviceBatch& batch) {
    const std::int64_t step = state_.step + step_.unfinished() + 1;
    started_images_.push_back(static_cast<int>(batch.global_labels.size()));
    return step_.start(batch, static_cast<int>(step), learning_rate(step));
  }

  // Finishes steps until no more than `left` are unfinished.
  Status finish_steps(int left) {
    while (step_.unfinished() > left) {
      const auto loss = step_.finish();
      if (!loss.ok()) return loss.status();
      if (!std::isfinite(loss->sum)) return explain_loss();
      const float lr = learning_rate(++state_.step);
      ++state_.batch;
      state_.epoch_loss += *loss;
      BAUTA_TRY(
          tell({state_.step, state_.epoch + 1, state_.batch, loss->mean(), lr, started_images_.front()}));
      started_images_.pop_front();
    }
    return {};
  }

  Status tell(const StepReport& report) {
    const Activity::Work telling(communicator_.activity(), Activity::Kind::unwatched);
    if (folder_) BAUTA_TRY(kept(folder_->step(report.step, report.epoch, report.loss, report.lr)));
    observer_.on_step(report);
    return {};
  }

  // The first step that is not in the state had a loss that is not finite, and the steps that were started
  // behind it changed nothing: alone, it says what is wrong.
  Status explain_loss() {
    while (step_.unfinished() > 0) BAUTA_TRY(step_.finish().status());
    BAUTA_TRY(load());
    const auto batch = feed_.next(*loader_, communicator_.activity());
    if (!batch.ok()) return batch.status();
    const std::int64_t step = state_.step + 1;
    BAUTA_TRY(step_.run(**batch, static_cast<int>(step), learning_rate(step)).status());
    return Status::error("the loss was not finite, and is finite when computed again",
                         "step " + std::to_string(step),
                         "test the device's memory, then go on from the last checkpoint by --resume");
  }

  // Checks that the ranks have not drifted apart, validates, writes the epoch's metrics, then the best
  // weights, then the checkpoint: a run that is killed between any two of these does the same again when it
  // is resumed from the checkpoint before.
  Status close_epoch() {
    const double trained = seconds_now() - epoch_began_;
    EpochReport report;
    report.metrics.epoch = state_.epoch + 1;
    report.metrics.step = state_.step;
    report.metrics.train_loss = state_.epoch_loss.mean();
    report.metrics.images_per_second = images_done() / trained;
    const Graph& graph = step_.graph();
    BAUTA_TRY(
        check_same_weights(communicator_, graph.context(), graph.parameter_values(), report.metrics.epoch));
    if (!split_.val.empty()) BAUTA_TRY(validate(report.metrics));
    report.metrics.seconds = seconds_now() - epoch_began_;
    report.improved = !report.metrics.validated || report.metrics.val_acc > state_.best_val_acc;
    report.previous_best = state_.best_val_acc;
    report.best_path = best_path(options_.out);
    if (folder_) BAUTA_TRY(kept(folder_->epoch(report.metrics)));
    if (report.improved) {
      state_.best_epoch = report.metrics.epoch;
      if (report.metrics.validated) state_.best_val_acc = report.metrics.val_acc;
      if (folder_)
        BAUTA_TRY(kept(save_weights(report.best_path, step_.graph(), best_metadata(report.metrics))));
    }
    if (!state_.ended_early) {
      ++state_.epoch;
      state_.batch = 0;
      state_.epoch_loss = {};
    }
    BAUTA_TRY(save_checkpoint());
    observer_.on_epoch(report);
    return {};
  }

  double images_done() const {
    return std::min<double>(static_cast<double>(state_.batch) * options_.batch,
                            static_cast<double>(split_.train.size()));
  }

  Status validate(EpochMetrics& metrics) {
    const int images = static_cast<int>(split_.val.size());
    // Its batches are larger than a step's, and how long one takes is not known before the first.
    if (!std::exchange(has_validated_, true))
      communicator_.activity().expect_longer_work(1 +
                                                  step_.inference().max_batch() / step_.graph().max_batch());
    const auto predictions = predict(
        step_.inference(), feed_, split_.val, step_.class_weights(),
        [&](int done) { observer_.on_validation(done, images); }, communicator_);
    if (!predictions.ok()) return predictions.status();
    if (!std::isfinite(predictions->loss.sum)) return explain_validation(*predictions);
    const auto evaluation = evaluate(*predictions, data_.classes());
    if (!evaluation.ok()) return evaluation.status();
    const ClassMetrics& positive =
        evaluation->per_class[static_cast<std::size_t>(positive_class(data_.classes()))];
    metrics.validated = true;
    metrics.val_loss = predictions->loss.mean();
    metrics.val_acc = evaluation->accuracy;
    metrics.precision = positive.precision;
    metrics.recall = positive.recall;
    metrics.f1 = positive.f1;
    return {};
  }

  // Validation's loss was not finite: a sample that has a part in it, by itself and on each rank, shows the
  // layer where that begins.
  Status explain_validation(const Predictions& predictions) {
    const auto& p = predictions.probabilities;
    const auto bad = std::find_if(p.begin(), p.end(), [](float x) { return std::isnan(x); });
    const auto sample =
        static_cast<std::size_t>(bad == p.end() ? 0 : bad - p.begin()) / data_.classes().size();
    BAUTA_TRY(predict(step_.graph(), feed_, std::span(split_.val).subspan(sample, 1), step_.class_weights(),
                      {}, alone())
                  .status());
    return step_.non_finite_error(
        "the loss of validation is not finite after step " + std::to_string(state_.step), 1);
  }

  static Metadata best_metadata(const EpochMetrics& m) {
    Metadata metadata = {{"epoch", std::to_string(m.epoch)}, {"step", std::to_string(m.step)}};
    if (m.validated) metadata.emplace_back("val_acc", std::to_string(m.val_acc));
    return metadata;
  }

  // A file of the run's that cannot be written, on a full disk, say, is a fault: once it can, the run goes
  // on.
  static Status kept(const Status& written) {
    return written.ok() ? written : Status::fault(written.message());
  }

  Status save_checkpoint() {
    if (!folder_) return {};
    const Activity::Work saving(communicator_.activity(), Activity::Kind::unwatched);
    BAUTA_TRY(kept(folder_->flush()));
    state_.seconds = state_.batch == 0 ? 0 : seconds_now() - epoch_began_;
    state_.metrics_bytes = folder_->metrics_bytes();
    state_.events_bytes = folder_->events_bytes();
    return kept(bauta::save_checkpoint(last_path(options_.out), step_, state_, config_));
  }

  const Dataset& data_;
  const TrainOptions& options_;
  TrainObserver& observer_;
  Split split_;
  TrainingStep step_;
  ImageFeed feed_;
  std::optional<RunFolder> folder_;  // on rank 0 alone
  TrainingState state_;
  std::string config_;
  Communicator& communicator_;
  std::unique_ptr<Loader> loader_;
  std::deque<int> started_images_;  // of each unfinished step's batch, on all ranks
  double epoch_began_ = 0;
  bool has_validated_ = false;
  bool stopped_ = false;
};

// Weights to begin with: from --init, or from the seed. Says whether the file had no metadata.
Result<bool> first_weights(const TrainOptions& options, Graph& graph) {
  std::vector<float> values(graph.parameter_values().size());
  bool bare = false;
  if (options.init.empty()) {
    initialize(graph.parameters(), options.seed, values);
  } else {
    const auto weights = open_weights(options.init);
    if (!weights.ok()) return weights.status();
    BAUTA_TRY(check_parameters(weights->file, graph.parameters(), graph.model().name()));
    BAUTA_TRY(load_parameters(weights->file, "", graph.parameters(), values));
    bare = !weights->has_metadata;
  }
  BAUTA_TRY(copy_to_device<float>(graph.context(), values, graph.parameter_values()));
  return bare;
}

// Rank 0's array, on all ranks' devices.
Status broadcast_on_device(Communicator& communicator, const Context& context, std::span<float> array) {
  auto values = on_host<float>(context, array);
  if (!values.ok()) return values.status();
  BAUTA_TRY(broadcast(communicator, std::span(*values)));
  return copy_to_device<float>(context, *values, array);
}

// Gives every rank what rank 0 starts from.
Status share(Communicator& communicator, TrainingState& state, TrainingStep& step) {
  if (communicator.size() == 1) return {};
  BAUTA_TRY(broadcast(communicator, std::span(&state, 1)));
  const Context& context = step.graph().context();
  BAUTA_TRY(broadcast_on_device(communicator, context, step.graph().parameter_values()));
  for (const Optimizer::State& s : step.optimizer().states()) {
    BAUTA_TRY(broadcast_on_device(communicator, context, s.values));
  }
  return {};
}

}  // namespace

Status check_options(const TrainOptions& o) {
  if (o.out.empty()) return Status::usage("a run needs a folder to write", "--out", "name one");
  if (o.epochs < 1) return Status::usage("a run needs at least 1 epoch", "--epochs", "use 1 or more");
  if (!is_utf8(o.init)) return Status::usage("the file's name is not UTF-8", "--init " + o.init, "rename it");
  if (o.batch < 1) return Status::usage("a batch needs at least 1 sample", "--batch", "use 1 or more");
  if (o.val && !(*o.val >= 0 && *o.val < 1))
    return Status::usage("the part that validates is not in [0, 1)", "--val", "use 0.1");
  if (!is_positive(o.lr)) {
    return Status::usage("the learning rate is not a number above 0 that a float can hold", "--lr",
                         "use 1e-5, the study's");
  }
  if (o.optimizer.kind == OptimizerKind::sgd && !(o.optimizer.momentum >= 0 && o.optimizer.momentum < 1))
    return Status::usage("the momentum is not in [0, 1)", "--momentum", "use 0.9");
  if (!std::ranges::all_of(o.class_weights.values, is_positive)) {
    return Status::usage("a class weight is not a number above 0", "--class-weights",
                         "use auto, none, or numbers with commas between");
  }
  if (o.max_steps < 0)
    return Status::usage("a negative number of steps", "--max-steps", "use 0 for no limit");
  if (o.save_every < 0)
    return Status::usage("a negative number of steps", "--save-every", "use 0 for epochs alone");
  return {};
}

Status check_batch(int batch, int ranks) {
  if (batch >= ranks) return {};
  return Status::usage(
      "a batch of " + std::to_string(batch) + " cannot be shared among " + std::to_string(ranks) + " ranks",
      "--batch " + std::to_string(batch), "use at least as many images as ranks");
}

Status check_same_weights(Communicator& communicator, const Context& context, std::span<const float> weights,
                          int epoch) {
  if (communicator.size() == 1) return {};
  const Activity::Work work(communicator.activity());
  const auto values = on_host(context, weights);
  if (!values.ok()) return values.status();
  Hash hash;
  hash.add(std::as_bytes(std::span(*values)));
  const auto all = communicator.all_gather(std::to_string(hash.value()));
  if (!all.ok()) return all.status();
  for (int rank = 1; rank < communicator.size(); ++rank) {
    if ((*all)[static_cast<std::size_t>(rank)] == all->front()) continue;
    return Status::error(
        "the weights of " + communicator.name_of(rank) + " are not those of rank 0",
        "epoch " + std::to_string(epoch),
        "one of the two computes wrongly: test its memory, then go on from the last checkpoint by --resume");
  }
  return {};
}

Result<TrainResult> train(const Context& context, const Model& model, const Dataset& data,
                          const TrainOptions& options, TrainObserver& observer, Communicator& communicator) {
  BAUTA_TRY(check_options(options));
  BAUTA_TRY(check_class_count(model, data));
  BAUTA_TRY(check_ranks(context, options, communicator));
  auto split = split_dataset(data, options.val, options.seed);
  if (!split.ok()) return split.status();
  auto weights = class_weights(options.class_weights, data, *split);
  if (!weights.ok()) return weights.status();

  Model named = model;
  named.rename_classes(data.classes());
  const auto parameters = parameters_of(named);
  if (!parameters.ok()) return parameters.status();
  // Made before the graph, so that a batch which the graph says would fit does so beside it.
  auto optimizer =
      make_optimizer(context, options.optimizer, static_cast<std::size_t>(parameters_size(*parameters)));
  if (!optimizer.ok()) return optimizer.status();
  BAUTA_TRY((*optimizer)->numbers(1, options.lr).status());
  const int part = largest_part(global_batch(options, *split), communicator.size());
  auto graph = Graph::create(context, named, part, GraphMode::training);
  if (!graph.ok()) return graph.status();
  const auto bare_init = first_weights(options, *graph);
  if (!bare_init.ok()) return bare_init.status();
  auto step =
      TrainingStep::create(std::move(*graph), std::move(*optimizer), std::move(*weights), communicator);
  if (!step.ok()) return step.status();
  const std::string config = run_config(named, data, options, context);
  BAUTA_TRY(check_same_on_all_ranks(communicator, config));
  auto feed = ImageFeed::create(context, data, step->inference().max_batch(), options.stream, communicator);
  if (!feed.ok()) return feed.status();

  // All is checked and in place: only now is anything written.
  auto start = communicator.leads() ? open_run(options.out, options.resume, config, *step)
                                    : Result<OpenRun>(OpenRun());
  if (!start.ok()) return start.status();
  BAUTA_TRY(share(communicator, start->state, *step));
  return Trainer(data, options, observer, std::move(*split), std::move(*step), std::move(*feed),
                 std::move(start->folder), start->state, config, communicator)
      .run(*bare_init, start->computed_by);
}

}  // namespace bauta
