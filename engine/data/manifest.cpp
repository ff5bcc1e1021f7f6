#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unordered_map>

#include "engine/data/class_names.h"
#include "engine/data/csv.h"
#include "engine/data/listing.h"

namespace bauta {
namespace {

namespace fs = std::filesystem;

bool parse_number(const std::string& text, std::int32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

std::string line_of(const std::string& file, const CsvRow& row) {
  return file + ":" + std::to_string(row.line);
}

/// The fields of a manifest's rows: path, label, and these, 0 where there is none.
struct Columns {
  std::size_t count = 0;
  std::size_t group = 0;
  std::size_t split = 0;
};

std::string joined(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) line += (&field == fields.data() ? "" : ",") + field;
  return line;
}

/// What the rows hold, by the first of them.
Result<Columns> read_header(const std::vector<CsvRow>& rows, const std::string& file) {
  const auto header = rows.empty() ? std::vector<std::string>() : rows.front().fields;
  Columns columns{.count = header.size()};
  bool known = header.size() >= 2 && header[0] == "path" && header[1] == "label";
  for (std::size_t i = 2; i < header.size(); ++i) {
    std::size_t& column = header[i] == "group" ? columns.group : columns.split;
    known = known && column == 0 && (header[i] == "group" || header[i] == "split");
    column = i;
  }
  if (known) return columns;
  return Status::error("the header line '" + joined(header) + "' is not path,label[,group][,split]",
                       file + ":1", "begin the manifest with path,label or path,label,group,split, say");
}

Status check_row(const CsvRow& row, const Columns& columns, const std::string& file) {
  if (row.fields.size() != columns.count) {
    const std::size_t fields = row.fields.size();
    return Status::error(
        (fields == 1 ? "there is 1 field" : "there are " + std::to_string(fields) + " fields") +
            " where the header has " + std::to_string(columns.count),
        line_of(file, row), "give every row the header's fields, in quotes where they hold commas");
  }
  if (row.fields[0].empty() || row.fields[1].empty()) {
    return Status::error("the path or the label is empty", line_of(file, row), "give both");
  }
  if (columns.split != 0 && !part_named(row.fields[columns.split])) {
    return Status::error("the split '" + row.fields[columns.split] + "' is no part of a data set",
                         line_of(file, row), "use train, val or test");
  }
  return {};
}

/// The rows that follow the header.
Result<std::vector<CsvRow>> read_rows(std::string_view text, const std::string& file, Columns& columns) {
  Result<std::vector<CsvRow>> rows = parse_csv(text, file);
  if (!rows.ok()) return rows;
  BAUTA_TRY(put_into(columns, read_header(*rows, file)));
  rows->erase(rows->begin());
  for (const CsvRow& row : *rows) BAUTA_TRY(check_row(row, columns, file));
  return rows;
}

/// Warns of groups in several parts, by which a network would be judged that has trained on them. `images`
/// are the rows'.
void warn_of_overlap(const std::vector<CsvRow>& rows, const std::vector<ListedImage>& images,
                     std::size_t column, const std::string& file, const Warn& warn) {
  std::unordered_map<std::string, Part> part_of;
  int count = 0;
  const CsvRow* first = nullptr;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& name = rows[i].fields[column];
    if (name.empty() || part_of.emplace(name, images[i].part).first->second == images[i].part) continue;
    if (++count == 1) first = &rows[i];
  }
  if (count == 0 || !warn) return;
  warn("a group is in more than one part: " + std::to_string(count) +
       (count == 1 ? " row, " : " rows, the first of ") + first->fields[column] + " (" +
       line_of(file, *first) + ")");
}

/// Whether the labels are numbers, as the first row's is; an error where they are of both kinds.
Result<bool> labels_are_numbers(const std::vector<CsvRow>& rows, const std::string& file) {
  std::int32_t number = 0;
  const bool numbers = !rows.empty() && parse_number(rows.front().fields[1], number);
  for (const CsvRow& row : rows) {
    if (parse_number(row.fields[1], number) != numbers) {
      return Status::error("the label '" + row.fields[1] + "' is " + (numbers ? "no number" : "a number") +
                               " while those before are" + (numbers ? "" : " names"),
                           line_of(file, row), "use names or numbers from 0 in every row");
    }
  }
  return numbers;
}

/// The classes of a manifest whose labels are these numbers, ascending.
std::vector<std::string> classes_of_numbers(const std::vector<std::int32_t>& values, const std::string& file,
                                            const Warn& warn) {
  if (values == std::vector<std::int32_t>{0, 1}) {
    const std::vector<std::string>& study = study_classes();
    if (warn) warn("labels 0 and 1 are taken for " + study[0] + " and " + study[1] + " (" + file + ")");
    return study;
  }
  std::vector<std::string> names(values.size());
  std::ranges::transform(values, names.begin(), [](std::int32_t value) { return std::to_string(value); });
  return names;
}

/// Sets the classes of a manifest whose labels are numbers, and the labels.
void set_numeric_labels(const std::vector<CsvRow>& rows, const std::string& file, const Warn& warn,
                        Listing& listing) {
  std::vector<std::int32_t> numbers(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) parse_number(rows[i].fields[1], numbers[i]);
  std::vector<std::int32_t> values = numbers;
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  listing.classes = classes_of_numbers(values, file, warn);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    listing.images[i].label =
        static_cast<std::int32_t>(std::ranges::lower_bound(values, numbers[i]) - values.begin());
  }
}

/// The same for labels that are names.
void set_named_labels(const std::vector<CsvRow>& rows, Listing& listing) {
  std::vector<std::string> names(rows.size());
  std::ranges::transform(rows, names.begin(), [](const CsvRow& row) { return row.fields[1]; });
  listing.classes = classes_of(names);
  std::unordered_map<std::string, int> known;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [entry, is_new] = known.emplace(names[i], 0);
    if (is_new) entry->second = class_index(names[i], listing.classes);
    listing.images[i].label = entry->second;
  }
}

}  // namespace

Result<Listing> list_manifest(std::string_view text, const std::string& file, const Warn& warn) {
  Columns columns;
  const Result<std::vector<CsvRow>> rows = read_rows(text, file, columns);
  if (!rows.ok()) return rows.status();
  const Result<bool> numbers = labels_are_numbers(*rows, file);
  if (!numbers.ok()) return numbers.status();

  const fs::path folder = fs::path(file).parent_path();
  std::unordered_map<std::string, std::int32_t> groups;
  Listing listing{.is_split = columns.split != 0};
  for (const CsvRow& row : *rows) {
    ListedImage image{.name = row.fields[0], .file = (folder / row.fields[0]).native()};
    if (columns.group != 0 && !row.fields[columns.group].empty()) {
      const auto next = static_cast<std::int32_t>(groups.size());
      image.group = groups.emplace(row.fields[columns.group], next).first->second;
    }
    if (listing.is_split) image.part = *part_named(row.fields[columns.split]);
    listing.images.push_back(std::move(image));
  }
  if (listing.is_split && columns.group != 0)
    warn_of_overlap(*rows, listing.images, columns.group, file, warn);
  if (*numbers) {
    set_numeric_labels(*rows, file, warn, listing);
  } else {
    set_named_labels(*rows, listing);
  }
  return listing;
}

}  // namespace bauta
