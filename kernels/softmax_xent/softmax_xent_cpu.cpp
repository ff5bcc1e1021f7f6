#include <cmath>

#include "kernels/softmax_xent/softmax_xent_backends.h"

namespace bauta::BAUTA_ISA {
namespace {

// Rows that one index of a parallel loop computes. A network for a few classes has a few dozen numbers here,
// so that plain loops with the library's exponential in double cost nothing beside the layers, and round
// once.
constexpr int kRows = 64;

template <class Body>
void for_rows(const Context& context, const SoftmaxXentShape& s, Body body) {
  parallel_for(context, (s.batch + kRows - 1) / kRows, [&](int block, int) {
    for (int n = block * kRows; n < s.batch && n < (block + 1) * kRows; ++n) body(Index{n});
  });
}

double row_max(const float* row, int size) {
  float max = row[0];
  for (int k = 1; k < size; ++k) max = row[k] > max ? row[k] : max;
  return max;
}

// The first k of which row[k] is max; 0 where there is none.
std::int32_t argmax(const float* row, int size, double max) {
  for (int k = 0; k < size; ++k) {
    if (row[k] == max) return k;
  }
  return 0;
}

// Σ_k exp(row[k] - max), at least 1 unless something is NaN.
double sum_exp(const float* row, int size, double max) {
  double sum = 0;
  for (int k = 0; k < size; ++k) sum += std::exp(row[k] - max);
  return sum;
}

Status loss(const Context& context, const SoftmaxXentShape& s, const float* logits,
            const std::int32_t* labels, const float* weights, const float* scale,
            const SoftmaxXentOutputs& out) {
  for_rows(context, s, [&](Index n) {
    const float* row = logits + n * s.classes;
    const double max = row_max(row, s.classes);
    const double sum = sum_exp(row, s.classes, max);
    const double weight = weights[labels[n]];
    out.losses[n] = static_cast<float>(weight * (std::log(sum) + (max - row[labels[n]])));
    if (out.predicted != nullptr) out.predicted[n] = argmax(row, s.classes, max);
    if (out.dlogits == nullptr) return;
    for (int k = 0; k < s.classes; ++k) {
      const double difference = std::exp(row[k] - max) / sum - (k == labels[n] ? 1 : 0);
      out.dlogits[n * s.classes + k] = static_cast<float>(weight * *scale * difference);
    }
  });
  for (Index n = 0; n < s.batch && out.not_finite != nullptr; ++n) {
    if (!__builtin_isfinite(out.losses[n])) *out.not_finite = 1;
  }
  return {};
}

Status softmax(const Context& context, const SoftmaxXentShape& s, const float* logits, float* probabilities) {
  for_rows(context, s, [&](Index n) {
    const float* row = logits + n * s.classes;
    const double max = row_max(row, s.classes);
    const double sum = sum_exp(row, s.classes, max);
    for (int k = 0; k < s.classes; ++k) {
      probabilities[n * s.classes + k] = static_cast<float>(std::exp(row[k] - max) / sum);
    }
  });
  return {};
}

}  // namespace

const SoftmaxXentBackend softmax_xent_backend = {loss, softmax};

}  // namespace bauta::BAUTA_ISA
