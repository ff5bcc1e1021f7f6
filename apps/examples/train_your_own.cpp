// Defines a small network of its own, trains it on a data set, and saves it:
//   build/apps/train_your_own FOLDER_OR_PACK RUN
// RUN/best.safetensors then works with `bauta eval` and `bauta classify`, and loads into PyTorch by its
// names.
#include <cstdio>

#include "engine/core/host.h"
#include "engine/data/dataset.h"
#include "layers/model.h"
#include "optim/trainer.h"

namespace {

struct PrintEpochs : bauta::TrainObserver {
  void on_epoch(const bauta::EpochReport& report) override {
    std::printf("epoch %d: train_loss %.4f, val_acc %.4f\n", report.metrics.epoch, report.metrics.train_loss,
                report.metrics.val_acc);
  }
};

bauta::Status run(const char* data_path, const char* out) {
  const auto data = bauta::open_dataset(data_path, {});
  if (!data.ok()) return data.status();

  bauta::Model model("small", {100, 100, 3}, data->classes());
  model.conv2d("conv1", 16, 3).relu().maxpool(2);
  model.conv2d("conv2", 32, 3).relu().maxpool(2);
  model.linear("head", static_cast<int>(data->classes().size()));

  bauta::ThreadPool pool(bauta::usable_cores());
  if (!pool.status().ok()) return pool.status();
  bauta::Context context;
  context.pool = &pool;
  bauta::TrainOptions options;
  options.out = out;
  options.epochs = 3;
  options.lr = 1e-3F;
  PrintEpochs observer;
  return bauta::train(context, model, *data, options, observer).status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: train_your_own DATA RUN\n"), 2;
  const bauta::Status status = run(argv[1], argv[2]);
  if (!status.ok()) std::fprintf(stderr, "train_your_own: error: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
