#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/data/image_feed.h"
#include "layers/graph.h"
#include "optim/loss.h"
#include "optim/metrics.h"

namespace bauta {

/// The size of the images that a network takes.
ImageSize image_size(const Model&);

/// What a network says of N samples with K classes.
struct Predictions {
  std::vector<std::int32_t> labels;     ///< [N] the truth
  std::vector<std::int32_t> predicted;  ///< [N] the class of the largest logit, the first among equals
  std::vector<float> probabilities;     ///< [N,K] softmax
  WeightedLoss loss;                    ///< Σw·ℓ and Σw, added up in the samples' order
};

/// Classifies the samples of the feed's data set that the indices name, in batches of the graph's size.
/// Collective: each rank takes an even part of them, and all get the whole, the same as one rank would.
/// `progress` is told how many the device was given; may be empty. Fails where the images are not of the
/// network's size. The feed is for the graph's device and batch. `class_weights` [K] weigh the loss alone. Of
/// no samples there is nothing, and the loss's mean is NaN.
Result<Predictions> predict(Graph&, ImageFeed&, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress, Communicator& = alone());

/// The same on one rank, with a feed of its own.
Result<Predictions> predict(Graph&, const Dataset&, std::span<const int> samples,
                            std::span<const float> class_weights,
                            const std::function<void(int done)>& progress);

/// The class that precision, recall, F1 and ROC-AUC speak of: with_mask where there is one, else the last.
int positive_class(const std::vector<std::string>& classes);

/// Compares predictions with the truth; fails where there is none.
Result<Evaluation> evaluate(const Predictions&, const std::vector<std::string>& classes);

}  // namespace bauta
