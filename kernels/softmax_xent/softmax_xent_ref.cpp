#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/softmax_xent/softmax_xent_backends.h"

namespace bauta::reference {
namespace {

// log softmax: row[k] - max - log Σ exp(row[j] - max).
std::vector<double> log_probabilities(const SoftmaxXentShape& s, const float* row) {
  double max = row[0];
  for (Index k = 1; k < s.classes; ++k) max = row[k] > max ? row[k] : max;
  double sum = 0;
  for (Index k = 0; k < s.classes; ++k) sum += std::exp(row[k] - max);
  std::vector<double> logs;
  for (Index k = 0; k < s.classes; ++k) logs.push_back(row[k] - max - std::log(sum));
  return logs;
}

Status loss(const Context&, const SoftmaxXentShape& s, const float* logits, const std::int32_t* labels,
            const float* weights, const float* scale, const SoftmaxXentOutputs& out) {
  for (Index n = 0; n < s.batch; ++n) {
    const std::vector<double> logs = log_probabilities(s, logits + n * s.classes);
    const double weight = weights[labels[n]];
    out.losses[n] = static_cast<float>(weight * -logs[static_cast<std::size_t>(labels[n])]);
    if (out.not_finite != nullptr && !std::isfinite(out.losses[n])) *out.not_finite = 1;
    if (out.predicted != nullptr) {
      out.predicted[n] = static_cast<std::int32_t>(std::max_element(logs.begin(), logs.end()) - logs.begin());
    }
    if (out.dlogits == nullptr) continue;
    for (int k = 0; k < s.classes; ++k) {
      const double probability = std::exp(logs[static_cast<std::size_t>(k)]);
      out.dlogits[n * s.classes + k] =
          static_cast<float>(weight * *scale * (probability - (k == labels[n] ? 1 : 0)));
    }
  }
  return {};
}

Status softmax(const Context&, const SoftmaxXentShape& s, const float* logits, float* probabilities) {
  for (Index n = 0; n < s.batch; ++n) {
    const std::vector<double> logs = log_probabilities(s, logits + n * s.classes);
    for (int k = 0; k < s.classes; ++k) {
      probabilities[n * s.classes + k] = static_cast<float>(std::exp(logs[static_cast<std::size_t>(k)]));
    }
  }
  return {};
}

}  // namespace

const SoftmaxXentBackend softmax_xent_backend = {loss, softmax};

}  // namespace bauta::reference
