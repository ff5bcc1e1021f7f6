#include <cmath>

#include "kernels/cuda/warp.h"
#include "kernels/softmax_xent/softmax_xent_backends.h"

namespace bauta::BAUTA_DEVICE {
namespace {

// Of a block. Launch bounds ask for one block per multiprocessor, without which nvcc spills registers.
constexpr int kWarps = 8;

// A warp takes a row, its lanes every 32nd class. Lanes add up their share in the classes' order and then one
// another's in a butterfly, so that all have the sum, and the same bits on every run. In double, as on the
// CPU: a network for a few classes has a few dozen numbers here.

__device__ __forceinline__ int row_of_warp() {
  return static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / 32;
}

__device__ __forceinline__ int lane_of_warp() { return static_cast<int>(threadIdx.x) % 32; }

__device__ __forceinline__ double row_max(Ptr<const float> row, int classes, int lane) {
  double max = -INFINITY;
  for (int k = lane; k < classes; k += 32) {
    const double value = row[k];
    max = value > max ? value : max;
  }
  return warp_reduce(max, [](double a, double b) { return b > a ? b : a; });
}

// log Σ_k exp(row[k] - max), at least 0 unless something is NaN.
__device__ __forceinline__ double log_sum_exp(Ptr<const float> row, int classes, double max, int lane) {
  double sum = 0;
  for (int k = lane; k < classes; k += 32) {
    const double value = row[k];
    sum += exp(value - max);
  }
  return log(warp_sum(sum));
}

// The first k of which row[k] is max; 0 where there is none.
__device__ __forceinline__ int argmax(Ptr<const float> row, int classes, double max, int lane) {
  int first = classes;
  for (int k = lane; k < classes; k += 32) {
    const double value = row[k];
    if (value == max) first = min(first, k);
  }
  first = warp_reduce(first, [](int a, int b) { return min(a, b); });
  return first < classes ? first : 0;
}

/// Loss, prediction and gradient in one launch. Reads the logits two to four times, all but the first from
/// the caches, and the weight of each row's label; writes what is asked for once. The study's batch is 64
/// logits: bound by latency. So everything is loaded before anything is computed, in two waits: the label's
/// logit and weight can be loaded only when the label is known. A label out of range gives NaN.
__global__ void __launch_bounds__(kWarps * 32, 1)
    cross_entropy(SoftmaxXentShape s, Global<const float> logits, Global<const std::int32_t> labels,
                  Global<const float> weights, Global<const float> scale, Global<float> losses,
                  Global<float> dlogits, Global<std::int32_t> predicted, Global<float> not_finite) {
  const int n = row_of_warp();
  const int lane = lane_of_warp();
  if (n >= s.batch) return;
  const Index row_begin = Index{n} * s.classes;
  const Ptr<const float> row = logits + row_begin;
  const int label = labels[n];
  float factor = 0;
  if (dlogits) factor = scale[0];
  const bool known = label >= 0 && label < s.classes;
  const float label_logit = row[known ? label : 0];
  const float label_weight = weights[known ? label : 0];
  const double max = row_max(row, s.classes, lane);
  const double log_sum = log_sum_exp(row, s.classes, max, lane);
  const double weight = known ? double{label_weight} : NAN;
  if (lane == 0) {
    const auto loss = static_cast<float>(weight * (log_sum + (max - label_logit)));
    losses[n] = loss;
    if (not_finite && loss - loss != 0) not_finite[0] = 1;  // rows that find one all write the same
  }
  if (predicted) {
    const int first_largest = argmax(row, s.classes, max, lane);
    if (lane == 0) predicted[n] = first_largest;
  }
  if (!dlogits) return;
  for (int k = lane; k < s.classes; k += 32) {
    const double value = row[k];
    const double difference = exp(value - max - log_sum) - (k == label ? 1 : 0);
    dlogits[row_begin + k] = static_cast<float>(weight * factor * difference);
  }
}

/// Reads the logits three times, all but the first from the caches, and writes the probabilities once: bound
/// by the time that a launch takes, and with many rows by memory. The probabilities may be the logits: a lane
/// reads again what it replaces, and nothing else, after the butterfly.
__global__ void __launch_bounds__(kWarps * 32, 1)
    softmax_kernel(SoftmaxXentShape s, Ptr<const float> logits, Ptr<float> probabilities) {
  const int n = row_of_warp();
  const int lane = lane_of_warp();
  if (n >= s.batch) return;
  const Index row_begin = Index{n} * s.classes;
  const Ptr<const float> row = logits + row_begin;
  const double max = row_max(row, s.classes, lane);
  const double log_sum = log_sum_exp(row, s.classes, max, lane);
  for (int k = lane; k < s.classes; k += 32) {
    const double value = row[k];
    probabilities[row_begin + k] = static_cast<float>(exp(value - max - log_sum));
  }
}

unsigned blocks(const SoftmaxXentShape& s) { return static_cast<unsigned>(ceil_div(s.batch, kWarps)); }
Index size(const SoftmaxXentShape& s) { return Index{s.batch} * s.classes; }

// Each row in sectors of its own: `passes` over its logits or what becomes of them, and `singles` numbers.
Work work_of(const SoftmaxXentShape& s, int passes, int singles, double floor) {
  return {32.0 * s.batch * (passes * ceil_div(s.classes, 8) + singles), floor};
}

Status loss(const Context& context, const SoftmaxXentShape& s, const float* logits,
            const std::int32_t* labels, const float* weights, const float* scale,
            const SoftmaxXentOutputs& out) {
  const int arrays = out.dlogits != nullptr ? 2 : 1;
  const int predictions = out.predicted != nullptr ? 1 : 0;
  const double floor =
      4.0 * (static_cast<double>(size(s)) * arrays + (2.0 + predictions) * s.batch + s.classes);
  const Work work = work_of(s, 2 * arrays + predictions, 3 + arrays + predictions, floor);
  return launch(context, {"softmax_xent", blocks(s), kWarps * 32, 0, work}, cross_entropy, s,
                global(logits, size(s)), global(labels, s.batch), global(weights, s.classes),
                global(scale, 1), global(out.losses, s.batch), global(out.dlogits, size(s)),
                global(out.predicted, s.batch), global(out.not_finite, 1));
}

Status softmax(const Context& context, const SoftmaxXentShape& s, const float* logits, float* probabilities) {
  const Work work = work_of(s, 4, 0, 8.0 * static_cast<double>(size(s)));
  return launch(context, {"softmax", blocks(s), kWarps * 32, 0, work}, softmax_kernel, s,
                global(logits, size(s)), global(probabilities, size(s)));
}

}  // namespace

const SoftmaxXentBackend softmax_xent_backend = {loss, softmax};

}  // namespace bauta::BAUTA_DEVICE
