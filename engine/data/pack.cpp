// A pack is a safetensors file: `pixels` U8 [N,H,W,3]; `labels` I32 [N]; `groups` I32 [N] where samples have
// groups; `parts` U8 [N] where it came split; the samples' names end to end, `names` U8 [T], with
// `name_ends` I64 [N], where in it each ends. Metadata: `format`, `classes` (a JSON array of names) and
// `preprocess`, what was done to the images.

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/data/decode.h"
#include "engine/data/sources.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace bauta {
namespace {

constexpr const char* kFormat = "bauta-pack-1";
constexpr const char* kPreprocess = "RGB, EXIF orientation, Pillow BILINEAR";

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// The elements of a tensor, which may lie at any address.
template <class T>
std::vector<T> copy_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(values)).begin());
  return values;
}

/// Such as I32[5,3].
std::string describe(DType dtype, const std::vector<std::int64_t>& shape) {
  return std::string(dtype_name(dtype)) + shape_text(shape);
}

/// Reads the parts of a pack out of its file, checking each.
class PackReader {
 public:
  explicit PackReader(const Safetensors& file) : file_(file) {}

  Status read(Dataset::Contents& contents) const {
    BAUTA_TRY(read_metadata(contents));
    BAUTA_TRY(read_pixels(contents));
    const auto count = static_cast<std::int64_t>(contents.pixels.size() / contents.size.bytes());
    BAUTA_TRY(read_labels(count, contents));
    BAUTA_TRY(read_split(count, contents));
    return read_names(count, contents);
  }

 private:
  Status damaged(const std::string& what) const {
    return Status::error("the pack is damaged: " + what, file_.path(), "make it again with bauta data pack");
  }

  Result<std::span<const std::byte>> tensor(const char* name, DType dtype,
                                            const std::vector<std::int64_t>& shape) const {
    const TensorView* found = file_.find(name);
    if (found == nullptr) return damaged("it has no tensor " + std::string(name));
    if (found->dtype != dtype || found->shape != shape) {
      return damaged("tensor " + std::string(name) + " is " + describe(found->dtype, found->shape) +
                     ", not " + describe(dtype, shape));
    }
    return found->bytes;
  }

  Status read_metadata(Dataset::Contents& contents) const {
    const std::string* format = file_.metadata("format");
    const std::string* preprocess = file_.metadata("preprocess");
    const std::string* classes = file_.metadata("classes");
    if (format == nullptr || *format != kFormat || preprocess == nullptr || *preprocess != kPreprocess ||
        classes == nullptr) {
      return Status::error("this version cannot read this pack", file_.path(),
                           "give a file made by bauta data pack, or make it again");
    }
    const Result<Json> json = parse_json(*classes, file_.path());
    auto names = json.ok() ? json->strings() : std::nullopt;
    if (!names) return damaged("its classes are no JSON array of strings");
    contents.classes = std::move(*names);
    return {};
  }

  Status read_pixels(Dataset::Contents& contents) const {
    const TensorView* found = file_.find("pixels");
    if (found == nullptr || found->shape.size() != 4 || found->dtype != DType::u8) {
      return damaged("it has no tensor pixels U8[N,H,W,3]");
    }
    const std::vector<std::int64_t> wanted = {found->shape[0], contents.size.height, contents.size.width,
                                              contents.size.channels};
    if (found->shape != wanted) {
      return Status::error("this pack holds images of " + std::to_string(found->shape[1]) + "x" +
                               std::to_string(found->shape[2]) + " pixels (height x width), not of " +
                               std::to_string(wanted[1]) + "x" + std::to_string(wanted[2]),
                           file_.path(), "pack the data set anew for this size");
    }
    if (found->shape[0] > std::numeric_limits<int>::max()) return damaged("it has more than 2^31 images");
    contents.pixels = {reinterpret_cast<const std::uint8_t*>(found->bytes.data()), found->bytes.size()};
    return {};
  }

  Status read_labels(std::int64_t count, Dataset::Contents& contents) const {
    const auto labels = tensor("labels", DType::i32, {count});
    if (!labels.ok()) return labels.status();
    contents.labels = copy_of<std::int32_t>(*labels);
    for (std::int32_t label : contents.labels) {
      if (label < 0 || label >= std::ssize(contents.classes)) {
        return damaged("label " + std::to_string(label) + " is of none of its " +
                       std::to_string(contents.classes.size()) + " classes");
      }
    }
    if (file_.find("groups") == nullptr) return {};
    const auto groups = tensor("groups", DType::i32, {count});
    if (!groups.ok()) return groups.status();
    contents.groups = copy_of<std::int32_t>(*groups);
    return {};
  }

  Status read_split(std::int64_t count, Dataset::Contents& contents) const {
    if (file_.find("parts") == nullptr) return {};
    const auto numbers = tensor("parts", DType::u8, {count});
    if (!numbers.ok()) return numbers.status();
    contents.parts = copy_of<Part>(*numbers);
    const auto known = [](Part part) { return part <= Part::test; };
    return std::ranges::all_of(contents.parts, known) ? Status() : damaged("a sample is of no part");
  }

  Status read_names(std::int64_t count, Dataset::Contents& contents) const {
    const TensorView* names = file_.find("names");
    if (names == nullptr || names->dtype != DType::u8) return damaged("it has no tensor names U8[T]");
    const auto ends = tensor("name_ends", DType::i64, {count});
    if (!ends.ok()) return ends.status();
    const std::string text(reinterpret_cast<const char*>(names->bytes.data()), names->bytes.size());
    std::int64_t begin = 0;
    for (std::int64_t end : copy_of<std::int64_t>(*ends)) {
      if (end < begin || end > std::ssize(text)) return damaged("the ends of the names are out of order");
      contents.names.push_back(
          text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
      begin = end;
    }
    return {};
  }

  const Safetensors& file_;
};

// Bytes of a header that the classes' names may take: JSON in a string of JSON, which may escape every byte.
std::size_t room_for(const std::vector<std::string>& classes) {
  return 2 * Json::of_strings(classes).dump().size();
}

/// Writes everything that comes after the pixels.
Status finish_pack(SafetensorsWriter& writer, const Dataset::Contents& contents) {
  std::string names;
  std::vector<std::int64_t> ends;
  for (const std::string& name : contents.names) {
    names += name;
    ends.push_back(std::ssize(names));
  }
  const std::int64_t count = std::ssize(contents.labels);
  std::vector<TensorView> others = {{"name_ends", DType::i64, {count}, bytes_of(ends)},
                                    {"labels", DType::i32, {count}, bytes_of(contents.labels)}};
  if (!contents.groups.empty()) others.push_back({"groups", DType::i32, {count}, bytes_of(contents.groups)});
  if (!contents.parts.empty()) others.push_back({"parts", DType::u8, {count}, bytes_of(contents.parts)});
  others.push_back({"names", DType::u8, {std::ssize(names)}, std::as_bytes(std::span(names))});
  return writer.finish(others, {{"format", kFormat},
                                {"preprocess", kPreprocess},
                                {"classes", Json::of_strings(contents.classes).dump()}});
}

/// What is at `out` already may be replaced by a pack where it is one, if an older one.
Status check_replaceable(const std::string& out) {
  std::error_code unused;
  if (!std::filesystem::exists(out, unused) || std::filesystem::is_directory(out, unused)) return {};
  const Result<Safetensors> file = Safetensors::open(out);
  const std::string* format = file.ok() ? file->metadata("format") : nullptr;
  if (format != nullptr && format->starts_with("bauta-pack-")) return {};
  return Status::usage("the file that is there is no pack", out, "remove it, or choose another --out");
}

}  // namespace

Result<Dataset::Contents> open_pack(const std::string& path, ImageSize size) {
  Result<Safetensors> opened = Safetensors::open(path);
  if (!opened.ok()) return opened.status();
  const auto file = std::make_shared<const Safetensors>(std::move(*opened));
  Dataset::Contents contents;
  contents.size = size;
  contents.storage = file;
  BAUTA_TRY(PackReader(*file).read(contents));
  return contents;
}

Status pack_dataset(const std::string& path, const std::string& out, const OpenOptions& options) {
  BAUTA_TRY(check_image_size(options.size));
  const Result<SourceKind> kind = source_kind(path);
  if (!kind.ok()) return kind.status();
  if (*kind == SourceKind::pack)
    return Status::error("this is a pack already", path, "give a folder or a CSV manifest");
  BAUTA_TRY(check_replaceable(out));
  const Result<Listing> listing = list_images(path, *kind, options);
  if (!listing.ok()) return listing.status();

  const ImageSize size = options.size;
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(out, "pixels", DType::u8, {size.height, size.width, size.channels},
                                SafetensorsWriter::kHeaderRoom + room_for(listing->classes));
  if (!writer.ok()) return writer.status();
  const auto append = [&](std::span<const std::uint8_t> image) {
    return writer->append_rows(std::as_bytes(image));
  };
  const Result<std::vector<int>> kept = decode_images(*listing, options, append);
  if (!kept.ok()) return kept.status();
  const Dataset::Contents contents = contents_of(*listing, *kept, size);
  BAUTA_TRY(check_classes(contents.classes, contents.labels, options.to_train, path));
  return finish_pack(*writer, contents);
}

}  // namespace bauta
