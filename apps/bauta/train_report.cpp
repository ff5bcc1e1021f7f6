#include "apps/bauta/train_report.h"

#include <fmt/format.h>

#include "apps/bauta/inputs.h"

namespace bauta {

std::string TrainReport::epoch_label(int epoch) const {
  return fmt::format("epoch {}/{}", epoch, options_.epochs);
}

void TrainReport::on_start(const RunStart& start) {
  batches_per_epoch_ = start.batches_per_epoch;
  steps_done_ = start.steps_done;
  std::string weights;
  for (std::size_t c = 0; c < start.class_weights.size(); ++c) {
    weights += fmt::format("{}{} {:.4g}", c == 0 ? "" : ", ", data_.classes()[c], start.class_weights[c]);
  }
  if (start.bare_init) print_note(bare_weights_note(options_.init, model_));
  const int others = data_.size() - start.train_images - start.val_images;
  const std::string to_test = others > 0 ? fmt::format(", {} left to test", with_commas(others)) : "";
  print_note(fmt::format("{} to train on, {} to validate{}, {} an epoch; class weights {}",
                         counted(start.train_images, "image"), with_commas(start.val_images), to_test,
                         counted(start.batches_per_epoch, "step"), weights));
  if (options_.batch > start.train_images) {
    print_note(fmt::format("--batch {} is more than there are to train on: each batch has all {}",
                           options_.batch, counted(start.train_images, "image")));
  }
  if (start.steps_done > 0) {
    const std::string other = start.computed_by.empty()
                                  ? ""
                                  : ", computed by " + start.computed_by + ": from here on the bits differ";
    print_note(fmt::format("resumed after step {}{}", start.steps_done, other));
  } else if (options_.resume) {
    print_note(fmt::format("no checkpoint in {}: starting at step 1", options_.out));
  }
}

void TrainReport::on_step(const StepReport& step) {
  if (bar_epoch_ != step.epoch) {
    bar_.emplace(epoch_label(step.epoch), batches_per_epoch_, step.batch);
    bar_epoch_ = step.epoch;
    bar_images_ = 0;
  } else {
    bar_images_ += step.images;
  }
  const double seconds = bar_->elapsed();
  const double speed = seconds > 0 ? static_cast<double>(bar_images_) / seconds : 0;
  bar_->update(step.batch, fmt::format("{:.0f} images/s, loss={:.4g}", speed, step.loss));
}

void TrainReport::on_validation(int done, int images) {
  if (bar_epoch_ != 0) {
    bar_.emplace("validation", images, done);
    bar_epoch_ = 0;
  }
  if (bar_) bar_->update(done);
}

void TrainReport::on_epoch(const EpochReport& epoch) {
  bar_.reset();
  bar_epoch_ = 0;
  const EpochMetrics& m = epoch.metrics;
  std::string line = fmt::format("{}  train_loss {:.4g}", epoch_label(m.epoch), m.train_loss);
  if (m.validated) line += fmt::format("  val_loss {:.4g}  val_acc {:.4f}", m.val_loss, m.val_acc);
  line += fmt::format("  {:.1f} s  {:.0f} images/s", m.seconds, m.images_per_second);
  if (!m.validated) {
    print_note(line + "  saved " + epoch.best_path);
  } else if (!epoch.improved) {
    print_note(line + fmt::format("  val_acc did not improve on {:.4f}", epoch.previous_best));
  } else {
    const std::string better = epoch.previous_best < 0 ? fmt::format("val_acc {:.4f} is the first", m.val_acc)
                                                       : fmt::format("val_acc improved {:.4f} -> {:.4f}",
                                                                     epoch.previous_best, m.val_acc);
    print_news(line + "  ", better + ", saved " + epoch.best_path);
  }
}

void TrainReport::print_result(const TrainResult& result) const {
  if (steps_done_ > 0 && steps_done_ == result.steps)
    print_note("nothing was left to do" + std::string(options_.max_steps > 0
                                                          ? ": --max-steps has ended this run"
                                                          : "; a larger --epochs goes on"));
  if (result.best_val_acc >= 0) {
    print_note(fmt::format("best val_acc {:.4f}, of epoch {}, after {}", result.best_val_acc,
                           result.best_epoch, counted(result.steps, "step")));
  } else {
    print_note(fmt::format("done after {}, without validation", counted(result.steps, "step")));
  }
  print_note("weights: " + result.best_path);
  print_note("to go on from: " + result.last_path);
  print_note("curves: tensorboard --logdir " + shell_word(options_.out));
}

}  // namespace bauta
