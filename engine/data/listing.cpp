#include "engine/data/listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "engine/data/class_names.h"
#include "engine/data/csv.h"
#include "engine/io/json.h"

namespace bauta {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 16;  // of folders in a class
constexpr std::array kImageExtensions = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga", ".ppm", ".pgm"};

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

/// False also where that cannot be told: opening the file will say why.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code unused;
  return entry.is_directory(unused);
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_image(const fs::path& path) {
  const std::string extension = lower_case(path.extension().native());
  return std::ranges::find(kImageExtensions, extension) != kImageExtensions.end();
}

/// A part of a data set that comes split.
enum class Part { train, val, test };

/// The part of this name, if it is one's.
std::optional<Part> part_named(const std::string& name) {
  const std::string part = lower_case(name);
  if (part == "train" || part == "training") return Part::train;
  if (part == "val" || part == "valid" || part == "validation") return Part::val;
  if (part == "test" || part == "testing") return Part::test;
  return {};
}

Status unreadable(const std::string& path, const std::error_code& code) {
  return Status::error("the data set cannot be read: " + code.message(), path,
                       "check the path and its permissions");
}

/// Files passed over: how many, and the first of them.
struct Ignored {
  int count = 0;
  std::string first;

  void add(const fs::path& file) {
    if (count++ == 0 || file.native() < first) first = file.native();
  }
};

/// A class's folder and the images in it.
struct ClassFolder {
  std::string name;
  bool validates = false;
  std::vector<std::string> files{};  // full paths
};

/// The folders in a folder, but hidden ones.
Result<std::vector<fs::path>> folders_in(const fs::path& folder, Ignored& ignored) {
  std::vector<fs::path> folders;
  std::error_code code;
  fs::directory_iterator it(folder, code);
  for (; !code && it != fs::directory_iterator(); it.increment(code)) {
    if (is_hidden(it->path())) continue;
    if (is_folder(*it)) {
      folders.push_back(it->path());
    } else {
      ignored.add(it->path());
    }
  }
  if (code) return unreadable(folder.native(), code);
  std::ranges::sort(folders);
  return folders;
}

Status scan_class(const fs::path& folder, ClassFolder& found, Ignored& ignored) {
  std::error_code code;
  fs::recursive_directory_iterator it(folder, fs::directory_options::follow_directory_symlink, code);
  fs::path last = folder;  // the one whose folder is opened next, if it is one
  for (; !code && it != fs::recursive_directory_iterator(); it.increment(code)) {
    last = it->path();
    if (it.depth() > kMaxDepth) {
      return Status::error("folders are nested more than " + std::to_string(kMaxDepth) + " deep",
                           it->path().native(), "look for a link that leads back to a folder around it");
    }
    if (is_hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (is_folder(*it)) {
      continue;
    } else if (is_image(it->path())) {
      found.files.push_back(it->path().native());
    } else {
      ignored.add(it->path());
    }
  }
  return code ? unreadable(last.native(), code) : Status();
}

Status scan_classes(const std::vector<fs::path>& folders, bool validates, std::vector<ClassFolder>& found,
                    Ignored& ignored) {
  for (const fs::path& folder : folders) {
    found.push_back({folder.filename().native(), validates});
    BAUTA_TRY(scan_class(folder, found.back(), ignored));
  }
  return {};
}

/// Whether these folders of the data set are parts of it, rather than classes; an error where they are, but
/// not one trains and one validates.
Result<bool> are_parts(const std::vector<fs::path>& folders, const std::string& path) {
  std::array<int, 3> count{};
  std::string names;
  for (const fs::path& folder : folders) {
    const auto part = part_named(folder.filename().native());
    if (!part) return false;
    ++count[static_cast<std::size_t>(*part)];
    names += (names.empty() ? "" : ", ") + folder.filename().native();
  }
  if (folders.empty()) return false;
  if (count[static_cast<std::size_t>(Part::train)] == 1 && count[static_cast<std::size_t>(Part::val)] == 1)
    return true;
  return Status::error("of its parts (" + names + ") not one trains and one validates", path,
                       "call these train and val, or give the folder of one part by itself");
}

/// The classes of a data set whose folders are its parts.
Status scan_parts(const std::vector<fs::path>& parts, const Warn& warn, std::vector<ClassFolder>& found,
                  Ignored& ignored) {
  for (const fs::path& part : parts) {
    const auto name = part_named(part.filename().native());
    if (name == Part::test) {
      if (warn) {
        warn(part.native() +
             " neither trains nor validates, and is left out: give it by itself to see how "
             "good a network is on it");
      }
      continue;
    }
    const auto classes = folders_in(part, ignored);
    if (!classes.ok()) return classes.status();
    BAUTA_TRY(scan_classes(*classes, name == Part::val, found, ignored));
  }
  return {};
}

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
  return Status::error("the header line is not path,label with or without group and split", file + ":1",
                       "begin the manifest with path,label or path,label,group,split, say");
}

Status check_row(const CsvRow& row, const Columns& columns, const std::string& file) {
  if (row.fields.size() != columns.count) {
    return Status::error("there are " + std::to_string(row.fields.size()) + " fields where the header has " +
                             std::to_string(columns.count),
                         line_of(file, row),
                         "give every row the header's fields, in quotes where they hold commas");
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

/// The rows that follow the header, but those to test.
Result<std::vector<CsvRow>> read_rows(std::string_view text, const std::string& file, const Warn& warn,
                                      Columns& columns) {
  Result<std::vector<CsvRow>> rows = parse_csv(text, file);
  if (!rows.ok()) return rows;
  BAUTA_TRY(put_into(columns, read_header(*rows, file)));
  rows->erase(rows->begin());
  for (const CsvRow& row : *rows) BAUTA_TRY(check_row(row, columns, file));
  if (columns.split == 0) return rows;
  const auto left_out = std::erase_if(
      *rows, [&](const CsvRow& row) { return part_named(row.fields[columns.split]) == Part::test; });
  if (left_out > 0 && warn) {
    warn(std::to_string(left_out) +
         (left_out == 1 ? " row neither trains nor validates, and is left out ("
                        : " rows neither train nor validate, and are left out (") +
         file + ")");
  }
  return rows;
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

Result<Listing> list_folder(const std::string& folder, const Warn& warn) {
  std::vector<ClassFolder> found;
  Ignored ignored;
  const auto folders = folders_in(folder, ignored);
  if (!folders.ok()) return folders.status();
  const auto split = are_parts(*folders, folder);
  if (!split.ok()) return split.status();
  BAUTA_TRY(*split ? scan_parts(*folders, warn, found, ignored)
                   : scan_classes(*folders, false, found, ignored));
  if (ignored.count > 0 && warn) {
    warn(std::to_string(ignored.count) + (ignored.count == 1 ? " file was" : " files were") +
         " ignored: by name not JPEG, PNG, BMP, GIF, TGA, PPM or PGM, or in no class's folder (the first: " +
         ignored.first + ")");
  }

  std::vector<std::string> names(found.size());
  std::ranges::transform(found, names.begin(), &ClassFolder::name);
  Listing listing{.classes = classes_of(names), .is_split = *split};
  // A trailing slash or not: names are what follows the folder.
  const std::size_t prefix = (fs::path(folder) / "").native().size();
  for (const ClassFolder& c : found) {
    const int label = class_index(c.name, listing.classes);
    for (const std::string& file : c.files)
      listing.images.push_back({file.substr(prefix), file, label, -1, c.validates});
  }
  std::ranges::sort(listing.images, [](const ListedImage& a, const ListedImage& b) {
    return std::tie(a.label, a.name) < std::tie(b.label, b.name);
  });
  return listing;
}

Result<std::vector<std::string>> images_in(const std::string& folder) {
  ClassFolder found;
  Ignored ignored;
  BAUTA_TRY(scan_class(folder, found, ignored));
  std::ranges::sort(found.files);
  return std::move(found.files);
}

Result<Listing> list_manifest(std::string_view text, const std::string& file, const Warn& warn) {
  Columns columns;
  const Result<std::vector<CsvRow>> rows = read_rows(text, file, warn, columns);
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
    if (listing.is_split) image.validates = part_named(row.fields[columns.split]) == Part::val;
    listing.images.push_back(std::move(image));
  }
  if (*numbers) {
    set_numeric_labels(*rows, file, warn, listing);
  } else {
    set_named_labels(*rows, listing);
  }
  return listing;
}

Status check_classes(const std::vector<std::string>& classes, const std::vector<std::int32_t>& labels,
                     int least, const std::string& path) {
  if (labels.empty()) return Status::error("there are no images", path, "give a data set that has some");
  if (classes.size() < 2 && least > 0) {
    return Status::error(
        classes.empty() ? "there are no classes" : "there is only one class, " + classes[0], path,
        "give the images of each class a folder of their own, or write a manifest path,label");
  }
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (!is_utf8(classes[c])) {
      return Status::error("the name of class " + classes[c] + " is not UTF-8", path, "rename it");
    }
    if (std::ranges::count(classes, classes[c]) > 1) {
      return Status::error("two classes are called " + classes[c], path,
                           "give every class a name of its own");
    }
    const auto count = std::ranges::count(labels, static_cast<std::int32_t>(c));
    if (count < least) {
      return Status::error("class " + classes[c] + " has " + (count == 0 ? "no image" : "only one image") +
                               " that can be read",
                           path, "give every class at least 2 images, or take it out of the data set");
    }
  }
  return {};
}

}  // namespace bauta
