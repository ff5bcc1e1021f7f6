#include "optim/optimizer.h"

#include "kernels/adam/adam.h"
#include "kernels/sgd/sgd.h"

namespace bauta {
namespace {

class Adam final : public Optimizer {
 public:
  Adam(const OptimizerOptions& options, DeviceBuffer<float> m, DeviceBuffer<float> v)
      : options_(options), m_(std::move(m)), v_(std::move(v)) {}

  Result<Numbers> numbers(int step, float lr) const override {
    return adam_numbers({lr, options_.beta1, options_.beta2, options_.epsilon, step});
  }
  Status step(const Context& context, const float* numbers, const float* skip,
              std::span<const float> gradients, std::span<float> parameters) override {
    return adam_step(context, numbers, skip, std::ssize(parameters), gradients.data(), parameters.data(),
                     m_.data(), v_.data());
  }
  std::vector<State> states() override { return {{"m", m_.span()}, {"v", v_.span()}}; }

 private:
  OptimizerOptions options_;
  DeviceBuffer<float> m_;
  DeviceBuffer<float> v_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, DeviceBuffer<float> u)
      : momentum_(options.momentum), u_(std::move(u)) {}

  Result<Numbers> numbers(int /*step*/, float lr) const override {
    const auto sgd = sgd_numbers({lr, momentum_});
    if (!sgd.ok()) return sgd.status();
    return Numbers{(*sgd)[0], (*sgd)[1]};
  }
  Status step(const Context& context, const float* numbers, const float* skip,
              std::span<const float> gradients, std::span<float> parameters) override {
    return sgd_step(context, numbers, skip, std::ssize(parameters), gradients.data(), parameters.data(),
                    u_.data());
  }
  std::vector<State> states() override { return {{"momentum", u_.span()}}; }

 private:
  float momentum_;
  DeviceBuffer<float> u_;
};

}  // namespace

Result<std::unique_ptr<Optimizer>> make_optimizer(const Context& context, const OptimizerOptions& options,
                                                  std::size_t size) {
  auto first = DeviceBuffer<float>::create(context, size);
  if (!first.ok()) return first.status();
  if (options.kind == OptimizerKind::sgd) {
    return std::unique_ptr<Optimizer>(std::make_unique<Sgd>(options, std::move(*first)));
  }
  auto second = DeviceBuffer<float>::create(context, size);
  if (!second.ok()) return second.status();
  return std::unique_ptr<Optimizer>(std::make_unique<Adam>(options, std::move(*first), std::move(*second)));
}

}  // namespace bauta
