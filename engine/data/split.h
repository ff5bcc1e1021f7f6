#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "kernels/status.h"

namespace bauta {

/// Which samples train and which validate: sample indices, each part in ascending order, no sample twice.
struct Split {
  std::vector<int> train;
  std::vector<int> val;
};

/// Splits samples at random, each into one part, stratified: of the n samples of a class
/// round(n·val_fraction) validate. Depends on the arguments alone, by Rng(seed, split).
///
/// labels [N] are indices into `classes`. groups [N], or empty when there are none: samples of one group (>=
/// 0) stay on one side, -1 marks a sample on its own; the classes' shares are then as close as whole groups
/// allow a single pass to come. val_fraction is in [0, 1); 0 trains on everything and leaves `val` empty. An
/// error when a class would have no sample to train on, or none to validate on though that was asked for.
Result<Split> split_dataset(std::span<const std::int32_t> labels, std::span<const std::int32_t> groups,
                            const std::vector<std::string>& classes, double val_fraction, std::uint64_t seed);

/// The part of a data set that validates unless another is asked for: the study's.
inline constexpr double kValFraction = 0.1;

/// The same for a data set; val_fraction defaults to kValFraction. Where the data set comes split, its test
/// part is in neither. If it has a val part, that validates: a fraction other than 0 is then an error, 0
/// trains on both, and a train or val part without a class is an error, too. If it has none, the fraction is
/// drawn from what trains.
Result<Split> split_dataset(const Dataset&, std::optional<double> val_fraction, std::uint64_t seed);

/// The samples of an own part of a data set that comes split, in ascending order; none where it does not.
std::vector<int> samples_of(const Dataset&, Part);

/// Whether the data set says itself which samples validate.
bool has_own_validation(const Dataset&);

}  // namespace bauta
