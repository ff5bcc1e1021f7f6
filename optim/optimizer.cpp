#include "optim/optimizer.h"

#include "kernels/adam/adam.h"
#include "kernels/sgd/sgd.h"

namespace bauta {
namespace {

class Adam final : public Optimizer {
 public:
  Adam(const OptimizerOptions& options, std::size_t size) : options_(options), m_(size), v_(size) {}

  Status step(const Context& context, int step, float lr, std::span<const float> gradients,
              std::span<float> parameters) override {
    const AdamStep adam{lr, options_.beta1, options_.beta2, options_.epsilon, step};
    return adam_step(context, adam, std::ssize(parameters), gradients.data(), parameters.data(), m_.data(),
                     v_.data());
  }
  std::vector<State> states() override { return {{"m", m_.span()}, {"v", v_.span()}}; }

 private:
  OptimizerOptions options_;
  Buffer<float> m_;
  Buffer<float> v_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, std::size_t size) : momentum_(options.momentum), u_(size) {}

  Status step(const Context& context, int /*step*/, float lr, std::span<const float> gradients,
              std::span<float> parameters) override {
    return sgd_step(context, {lr, momentum_}, std::ssize(parameters), gradients.data(), parameters.data(),
                    u_.data());
  }
  std::vector<State> states() override { return {{"momentum", u_.span()}}; }

 private:
  float momentum_;
  Buffer<float> u_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::size_t size) {
  if (options.kind == OptimizerKind::sgd) return std::make_unique<Sgd>(options, size);
  return std::make_unique<Adam>(options, size);
}

}  // namespace bauta
