#include "optim/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>

namespace bauta {
namespace {

Status check(int classes, int positive_class, std::span<const int> labels, std::span<const int> predictions,
             std::span<const float> scores) {
  const auto in_range = [classes](int c) { return c >= 0 && c < classes; };
  if (labels.empty()) return Status::error("no samples to evaluate");
  if (predictions.size() != labels.size() || scores.size() != labels.size()) {
    return Status::error(std::to_string(labels.size()) + " labels, but " +
                         std::to_string(predictions.size()) + " predictions and " +
                         std::to_string(scores.size()) + " scores");
  }
  if (!in_range(positive_class)) return Status::error("the positive class is not one of the classes");
  for (std::size_t n = 0; n < labels.size(); ++n) {
    if (!in_range(labels[n]) || !in_range(predictions[n])) {
      return Status::error("label or prediction out of range", "sample " + std::to_string(n));
    }
    if (std::isnan(scores[n])) return Status::error("the score is NaN", "sample " + std::to_string(n));
  }
  return {};
}

double ratio(double numerator, double denominator) { return denominator == 0 ? 0 : numerator / denominator; }

// Each row of `confusion` is a true class, each column a predicted one.
std::vector<ClassMetrics> class_metrics(int classes, std::span<const int> confusion) {
  const auto at = [&](int t, int p) {
    return confusion[static_cast<std::size_t>(t) * static_cast<std::size_t>(classes) +
                     static_cast<std::size_t>(p)];
  };
  std::vector<ClassMetrics> all;
  for (int c = 0; c < classes; ++c) {
    int support = 0;
    int predicted = 0;
    for (int other = 0; other < classes; ++other) {
      support += at(c, other);
      predicted += at(other, c);
    }
    const double hits = at(c, c);
    all.push_back(
        {ratio(hits, predicted), ratio(hits, support), ratio(2 * hits, support + predicted), support});
  }
  return all;
}

ClassMetrics macro_average(std::span<const ClassMetrics> classes) {
  ClassMetrics sums{};
  for (const ClassMetrics& c : classes) {
    sums = {sums.precision + c.precision, sums.recall + c.recall, sums.f1 + c.f1, sums.support + c.support};
  }
  const auto count = static_cast<double>(classes.size());
  return {sums.precision / count, sums.recall / count, sums.f1 / count, sums.support};
}

// Walks the samples by rising score, all of one score at a time. Counts in halves of a pair, so that it is
// exact.
double roc_auc(int positive_class, std::span<const int> labels, std::span<const float> scores) {
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });

  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  std::int64_t half_wins = 0;
  for (std::size_t i = 0; i < order.size();) {
    const float score = scores[order[i]];
    std::int64_t tied_positives = 0;
    std::int64_t tied_negatives = 0;
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      ++(labels[order[i]] == positive_class ? tied_positives : tied_negatives);
    }
    half_wins += tied_positives * (2 * negatives + tied_negatives);
    positives += tied_positives;
    negatives += tied_negatives;
  }
  if (positives == 0 || negatives == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(half_wins) / static_cast<double>(2 * positives * negatives);
}

}  // namespace

Result<Evaluation> evaluate(int classes, int positive_class, std::span<const int> labels,
                            std::span<const int> predictions, std::span<const float> positive_scores) {
  BAUTA_TRY(check(classes, positive_class, labels, predictions, positive_scores));
  const auto columns = static_cast<std::size_t>(classes);
  Evaluation result;
  result.confusion.resize(columns * columns);
  int hits = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    ++result.confusion[static_cast<std::size_t>(labels[n]) * columns +
                       static_cast<std::size_t>(predictions[n])];
    if (labels[n] == predictions[n]) ++hits;
  }
  result.accuracy = ratio(hits, static_cast<double>(labels.size()));
  result.per_class = class_metrics(classes, result.confusion);
  result.macro_average = macro_average(result.per_class);
  result.roc_auc = roc_auc(positive_class, labels, positive_scores);
  return result;
}

}  // namespace bauta
