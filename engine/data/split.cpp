#include "engine/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "engine/data/order.h"

namespace bauta {
namespace {

using Members = std::vector<int>;

/// The sets of samples that stay together, by first appearance.
std::vector<Members> gather_units(int count, std::span<const std::int32_t> groups) {
  std::vector<Members> units;
  std::unordered_map<std::int32_t, std::size_t> unit_of;
  for (int i = 0; i < count; ++i) {
    const std::int32_t group = groups.empty() ? -1 : groups[static_cast<std::size_t>(i)];
    const auto [known, is_new] =
        group < 0 ? std::pair(unit_of.end(), true) : unit_of.emplace(group, units.size());
    if (is_new) {
      units.push_back({i});
    } else {
      units[known->second].push_back(i);
    }
  }
  return units;
}

std::vector<int> count_classes(std::span<const std::int32_t> labels, const Members& samples,
                               std::size_t classes) {
  std::vector<int> counts(classes, 0);
  for (int i : samples) ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
  return counts;
}

/// Whether giving `counts` to validation overshoots no class.
bool fits(const std::vector<int>& counts, const std::vector<int>& wanted) {
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > wanted[c]) return false;
  }
  return true;
}

/// Whether it brings validation closer to what is wanted, summed over the classes.
bool improves(const std::vector<int>& counts, const std::vector<int>& wanted) {
  int gain = 0;
  for (std::size_t c = 0; c < counts.size(); ++c)
    gain += std::abs(wanted[c]) - std::abs(wanted[c] - counts[c]);
  return gain > 0;
}

Status check_own_part(const Dataset& data, const Members& samples, const std::string& purpose) {
  const std::vector<int> counts = count_classes(data.labels(), samples, data.classes().size());
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0) continue;
    return Status::error(
        "the data set comes split, without an image of class " + data.classes()[c] + " to " + purpose,
        "--data", "put some there, or make a manifest without split");
  }
  return {};
}

Result<Split> own_parts(const Dataset& data) {
  Split split{samples_of(data, Part::train), samples_of(data, Part::val)};
  BAUTA_TRY(check_own_part(data, split.train, "train on"));
  BAUTA_TRY(check_own_part(data, split.val, "validate on"));
  return split;
}

// At random, of these samples alone.
Result<Split> split_samples(const Dataset& data, const Members& samples, double val_fraction,
                            std::uint64_t seed) {
  std::vector<std::int32_t> labels;
  std::vector<std::int32_t> groups;
  for (int i : samples) {
    labels.push_back(data.label(i));
    if (!data.groups().empty()) groups.push_back(data.groups()[static_cast<std::size_t>(i)]);
  }
  auto split = split_dataset(labels, groups, data.classes(), val_fraction, seed);
  if (!split.ok()) return split;
  for (Members* part : {&split->train, &split->val}) {
    for (int& i : *part) i = samples[static_cast<std::size_t>(i)];
  }
  return split;
}

// Fails where a class has no sample to train on, or none to validate on.
Status check_sides(const Split& split, std::span<const std::int32_t> labels, const std::vector<int>& totals,
                   const std::vector<std::string>& classes, double val_fraction) {
  const std::vector<int> train = count_classes(labels, split.train, classes.size());
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const std::string sizes = fmt::format("{} images, --val {:g}", totals[c], val_fraction);
    if (train[c] == 0) {
      return Status::error("no image of class " + classes[c] + " would be left to train on", sizes,
                           "give more images (or groups) of this class, or a smaller --val");
    }
    if (val_fraction > 0 && train[c] == totals[c]) {
      return Status::error("no image of class " + classes[c] + " would be left to validate on", sizes,
                           "give more images (or groups) of this class, a larger --val, or --val 0");
    }
  }
  return {};
}

}  // namespace

Result<Split> split_dataset(std::span<const std::int32_t> labels, std::span<const std::int32_t> groups,
                            const std::vector<std::string>& classes, double val_fraction,
                            std::uint64_t seed) {
  if (!(val_fraction >= 0 && val_fraction < 1)) {
    return Status::usage("the validation part must be at least 0 and less than 1", "--val",
                         "use 0.1, or leave it out");
  }
  const int count = static_cast<int>(labels.size());
  Members all(labels.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<int> wanted = count_classes(labels, all, classes.size());
  const std::vector<int> totals = wanted;
  for (int& n : wanted) n = static_cast<int>(std::lround(n * val_fraction));

  const std::vector<Members> units = gather_units(count, groups);
  std::vector<int> visit(units.size());
  std::iota(visit.begin(), visit.end(), 0);
  Rng rng(seed, RngStream::split);
  shuffle(visit, rng);

  // First whatever fits; then, where whole groups left a class short, what comes closer by overshooting.
  std::vector<char> validates(labels.size(), 0);
  for (const auto& accepts : {fits, improves}) {
    for (int u : visit) {
      const Members& unit = units[static_cast<std::size_t>(u)];
      if (validates[static_cast<std::size_t>(unit.front())]) continue;
      const std::vector<int> counts = count_classes(labels, unit, classes.size());
      if (!accepts(counts, wanted)) continue;
      for (std::size_t c = 0; c < counts.size(); ++c) wanted[c] -= counts[c];
      for (int i : unit) validates[static_cast<std::size_t>(i)] = 1;
    }
  }

  Split split;
  for (int i : all) (validates[static_cast<std::size_t>(i)] ? split.val : split.train).push_back(i);
  BAUTA_TRY(check_sides(split, labels, totals, classes, val_fraction));
  return split;
}

Result<Split> split_dataset(const Dataset& data, std::optional<double> val_fraction, std::uint64_t seed) {
  const double fraction = val_fraction.value_or(kValFraction);
  if (!data.is_split()) return split_dataset(data.labels(), data.groups(), data.classes(), fraction, seed);
  if (has_own_validation(data) && !val_fraction) return own_parts(data);
  if (has_own_validation(data) && fraction != 0) {
    return Status::usage("the data set says itself what validates", "--val",
                         "leave it out, or use 0 to train on that, too");
  }
  Members samples = samples_of(data, Part::train);
  const Members val = samples_of(data, Part::val);
  samples.insert(samples.end(), val.begin(), val.end());
  std::ranges::sort(samples);
  return split_samples(data, samples, fraction, seed);
}

std::vector<int> samples_of(const Dataset& data, Part part) {
  std::vector<int> samples;
  for (int i = 0; data.is_split() && i < data.size(); ++i) {
    if (data.own_parts()[static_cast<std::size_t>(i)] == part) samples.push_back(i);
  }
  return samples;
}

bool has_own_validation(const Dataset& data) {
  return std::ranges::find(data.own_parts(), Part::val) != data.own_parts().end();
}

}  // namespace bauta
