#include "apps/bauta/predictions_table.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "engine/data/csv.h"
#include "engine/io/file.h"

namespace bauta {
namespace {

constexpr std::string_view kBegin = "path,label,predicted,confidence,";

}  // namespace

Status check_predictions_table(const std::string& path) {
  std::error_code unused;
  if (std::filesystem::exists(path, unused)) {
    const auto file = MappedFile::open(path);
    if (!file.ok() || !file->text().starts_with(kBegin)) {
      return Status::usage("the file that is there is not a table of predictions", path,
                           "remove it, or choose another --predictions");
    }
  }
  return AtomicFile::create(path).status();  // gone again at once: whether it can be written
}

Status write_predictions_table(const std::string& path, const Dataset& data, std::span<const int> samples,
                               const Predictions& predictions) {
  const auto& classes = data.classes();
  std::vector<std::string> columns;
  columns.reserve(classes.size());
  for (const std::string& name : classes) columns.push_back("p_" + name);
  std::string text = std::string(kBegin) + csv_record(columns);
  for (std::size_t n = 0; n < samples.size(); ++n) {
    const auto predicted = static_cast<std::size_t>(predictions.predicted[n]);
    const auto of_classes = std::span(predictions.probabilities).subspan(n * classes.size(), classes.size());
    std::vector<std::string> fields = {data.name(samples[n]),
                                       classes[static_cast<std::size_t>(predictions.labels[n])],
                                       classes[predicted], fmt::format("{}", of_classes[predicted])};
    for (const float probability : of_classes) fields.push_back(fmt::format("{}", probability));
    text += csv_record(fields);
  }
  return write_file(path, text);
}

}  // namespace bauta
