#include "engine/data/listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
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

bool is_image(const fs::path& path) {
  std::string extension = path.extension().native();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::ranges::find(kImageExtensions, extension) != kImageExtensions.end();
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
  std::vector<std::string> files;  // full paths
};

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

bool parse_number(const std::string& text, std::int32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

std::string line_of(const std::string& file, const CsvRow& row) {
  return file + ":" + std::to_string(row.line);
}

/// The rows that follow the header, each with as many fields as it.
Result<std::vector<CsvRow>> read_rows(std::string_view text, const std::string& file) {
  Result<std::vector<CsvRow>> parsed = parse_csv(text, file);
  if (!parsed.ok()) return parsed;
  std::vector<CsvRow>& rows = *parsed;
  using Fields = std::vector<std::string>;
  const Fields header = rows.empty() ? Fields() : rows.front().fields;
  if (header != Fields{"path", "label"} && header != Fields{"path", "label", "group"}) {
    return Status::error("the header line is not path,label or path,label,group", file + ":1",
                         "begin the manifest with one of these lines");
  }
  rows.erase(rows.begin());
  for (const CsvRow& row : rows) {
    if (row.fields.size() != header.size()) {
      return Status::error("there are " + std::to_string(row.fields.size()) +
                               " fields where the header has " + std::to_string(header.size()),
                           line_of(file, row),
                           "give every row the header's fields, in quotes where they hold commas");
    }
    if (row.fields[0].empty() || row.fields[1].empty()) {
      return Status::error("the path or the label is empty", line_of(file, row), "give both");
    }
  }
  return parsed;
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
  std::error_code code;
  fs::directory_iterator it(folder, code);
  for (; !code && it != fs::directory_iterator(); it.increment(code)) {
    if (is_hidden(it->path())) continue;
    if (!is_folder(*it)) {
      ignored.add(it->path());
      continue;
    }
    found.push_back({it->path().filename().native(), {}});
    BAUTA_TRY(scan_class(it->path(), found.back(), ignored));
  }
  if (code) return unreadable(folder, code);
  if (ignored.count > 0 && warn) {
    warn(std::to_string(ignored.count) + (ignored.count == 1 ? " file was" : " files were") +
         " ignored: by name not JPEG, PNG, BMP, GIF, TGA, PPM or PGM, or in no class's folder (the first: " +
         ignored.first + ")");
  }

  std::ranges::sort(found, {}, &ClassFolder::name);

  std::vector<std::string> names(found.size());
  std::ranges::transform(found, names.begin(), &ClassFolder::name);
  Listing listing{classes_of(names), {}};
  // A trailing slash or not: names are what follows the folder.
  const std::size_t prefix = (fs::path(folder) / "").native().size();
  for (const ClassFolder& c : found) {
    const int label = class_index(c.name, listing.classes);
    for (const std::string& file : c.files) listing.images.push_back({file.substr(prefix), file, label, -1});
  }
  std::ranges::sort(listing.images, [](const ListedImage& a, const ListedImage& b) {
    return std::tie(a.label, a.name) < std::tie(b.label, b.name);
  });
  return listing;
}

Result<Listing> list_manifest(std::string_view text, const std::string& file, const Warn& warn) {
  const Result<std::vector<CsvRow>> rows = read_rows(text, file);
  if (!rows.ok()) return rows.status();
  const Result<bool> numbers = labels_are_numbers(*rows, file);
  if (!numbers.ok()) return numbers.status();

  const fs::path folder = fs::path(file).parent_path();
  std::unordered_map<std::string, std::int32_t> groups;
  Listing listing;
  for (const CsvRow& row : *rows) {
    ListedImage image{.name = row.fields[0], .file = (folder / row.fields[0]).native()};
    if (row.fields.size() == 3 && !row.fields[2].empty()) {
      image.group = groups.emplace(row.fields[2], static_cast<std::int32_t>(groups.size())).first->second;
    }
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
