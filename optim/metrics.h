#pragma once

#include <span>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// How one class fared. A ratio whose denominator is 0 is 0 (scikit-learn's zero_division=0).
struct ClassMetrics {
  double precision;  ///< of the samples predicted as this class, the part that is of it; 0 when none was
                     ///< predicted
  double recall;     ///< of this class's samples, the part that was predicted as it; 0 when it has none
  double f1;         ///< 2·precision·recall / (precision + recall); 0 when both are 0
  int support;       ///< samples of this class
};

/// What a classifier did on a data set of K classes.
struct Evaluation {
  double accuracy = 0;                  ///< in [0, 1]
  std::vector<ClassMetrics> per_class;  ///< [K]
  ClassMetrics macro_average{};         ///< their mean, each class counting alike (scikit-learn's macro avg);
                                        ///< its support is all samples
  double roc_auc = 0;                   ///< of the positive class against the rest; NaN when either is absent
  std::vector<int> confusion;           ///< [K,K] row-major: samples by [true class][predicted class]
};

/// Compares N predictions with the truth. `labels` and `predictions` [N] in [0, classes); `positive_scores`
/// [N], no NaN: the higher, the likelier `positive_class` is. ROC-AUC is the rank statistic of Mann and
/// Whitney, exact: the probability that a positive sample scores above a negative one, ties counting one half
/// (Hanley and McNeil, 1982). An error when there is no sample, lengths differ, a class is out of range or a
/// score is NaN.
Result<Evaluation> evaluate(int classes, int positive_class, std::span<const int> labels,
                            std::span<const int> predictions, std::span<const float> positive_scores);

}  // namespace bauta
