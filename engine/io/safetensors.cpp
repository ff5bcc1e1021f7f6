#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "engine/io/json.h"

namespace bauta {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr std::size_t kAlignment = 64;
constexpr std::string_view kMetadataKey = "__metadata__";

struct DTypeInfo {
  std::string_view name;
  std::size_t size;
};
// In the order of DType.
constexpr std::array<DTypeInfo, 10> kDTypes = {{{"F32", 4},
                                                {"F64", 8},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I64", 8},
                                                {"I32", 4},
                                                {"I16", 2},
                                                {"I8", 1},
                                                {"U8", 1},
                                                {"BOOL", 1}}};

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

std::string quoted(std::string_view name) { return std::string("'").append(name).append("'"); }

// A header's entry before its offsets are held against the data.
struct Entry {
  TensorView tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Status parse_dtype(const Json* json, DType& dtype) {
  if (json == nullptr || json->string() == nullptr) return Status::error("its dtype is missing");
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (kDTypes[i].name != *json->string()) continue;
    dtype = static_cast<DType>(i);
    return {};
  }
  return Status::error("its dtype " + quoted(*json->string()) + " is not supported");
}

// Numbers of at least 0.
Status parse_numbers(const Json* json, const char* what, std::vector<std::int64_t>& numbers) {
  const auto fault = [what] {
    return Status::error(std::string("its ") + what + " is not a list of whole numbers");
  };
  if (json == nullptr || json->array() == nullptr) return fault();
  for (const Json& item : *json->array()) {
    if (item.integer() == nullptr || *item.integer() < 0) return fault();
    numbers.push_back(*item.integer());
  }
  return {};
}

Status parse_entry(const Json& json, Entry& entry) {
  if (json.object() == nullptr || json.object()->size() != 3) {
    return Status::error("it does not have exactly dtype, shape and data_offsets");
  }
  TensorView& tensor = entry.tensor;
  std::vector<std::int64_t> offsets;
  BAUTA_TRY(parse_dtype(json.find("dtype"), tensor.dtype));
  BAUTA_TRY(parse_numbers(json.find("shape"), "shape", tensor.shape));
  BAUTA_TRY(parse_numbers(json.find("data_offsets"), "data_offsets", offsets));
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    return Status::error("its data_offsets are not a range");
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  if (tensor_bytes(tensor.dtype, tensor.shape) != entry.end - entry.begin) {
    return Status::error("its shape " + shape_text(tensor.shape) + " of " +
                         std::string(dtype_name(tensor.dtype)) + " does not take the " +
                         std::to_string(entry.end - entry.begin) + " bytes it has");
  }
  return {};
}

Status parse_metadata(const Json& json, Metadata& metadata) {
  if (json.object() == nullptr) return Status::error("it is not an object");
  for (const auto& [key, value] : *json.object()) {
    if (value.string() == nullptr) return Status::error("the value of " + quoted(key) + " is not text");
    metadata.emplace_back(key, *value.string());
  }
  return {};
}

// Checks that the entries, sorted by their offsets, cover `data` without holes or overlaps, and gives them
// their bytes.
Status place(std::vector<Entry>& entries, std::span<const std::byte> data) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (Entry& entry : entries) {
    const std::string tensor = "tensor " + quoted(entry.tensor.name);
    if (entry.begin < end) return Status::error(tensor + " overlaps another");
    if (entry.begin > end) return Status::error("there is a hole before " + tensor);
    if (entry.end > data.size()) {
      return Status::error("the file is truncated: " + tensor + " ends at byte " + std::to_string(entry.end) +
                           " of the data, which have " + std::to_string(data.size()));
    }
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    end = entry.end;
  }
  if (end == data.size()) return {};
  return Status::error(std::to_string(data.size() - end) + " bytes follow the last tensor");
}

// The error that a file is not sound; `what` says why.
Status file_fault(const std::string& what, const std::string& path) {
  return Status::error("not a sound safetensors file, " + what, path, "copy or make it again");
}

Status argument_fault(const std::string& what, const std::string& path) {
  return Status::error("cannot write a safetensors file, " + what, path);
}

Status check_tensor(const TensorView& tensor, const std::string& path) {
  const std::string name = "tensor " + quoted(tensor.name);
  if (!is_utf8(tensor.name) || tensor.name == kMetadataKey)
    return argument_fault("bad name of " + name, path);
  if (tensor_bytes(tensor.dtype, tensor.shape) == tensor.bytes.size()) return {};
  return argument_fault(name + " has " + std::to_string(tensor.bytes.size()) +
                            " bytes, which is not what its shape " + shape_text(tensor.shape) + " takes",
                        path);
}

// The keys of `items` must differ.
template <class Items, class Key>
Status check_unique(const Items& items, Key key, const std::string& path) {
  std::vector<std::string_view> keys;
  keys.reserve(items.size());
  for (const auto& item : items) keys.emplace_back(key(item));
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  return twice == keys.end() ? Status() : argument_fault(quoted(*twice) + " occurs twice", path);
}

Status check_metadata(const Metadata& metadata, const std::string& path) {
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value))
      return argument_fault("the value of " + quoted(key) + " is not UTF-8", path);
  }
  return check_unique(
      metadata, [](const auto& item) { return std::string_view(item.first); }, path);
}

// A tensor as the header describes it; its bytes may be elsewhere.
struct Described {
  const std::string& name;
  DType dtype;
  const std::vector<std::int64_t>& shape;
};

// Length and header, filled up with spaces to `room` bytes, or to a multiple of the alignment when that is 0.
Result<std::string> make_header(std::span<const Described> tensors, const Metadata& metadata,
                                std::size_t room, const std::string& path) {
  BAUTA_TRY(check_unique(
      tensors, [](const Described& t) { return std::string_view(t.name); }, path));
  BAUTA_TRY(check_metadata(metadata, path));
  Json::Object root;
  if (!metadata.empty()) {
    Json::Object members;
    for (const auto& [key, value] : metadata) members.emplace_back(key, value);
    root.emplace_back(kMetadataKey, std::move(members));
  }
  std::int64_t begin = 0;
  for (const Described& tensor : tensors) {
    const std::int64_t end = begin + static_cast<std::int64_t>(*tensor_bytes(tensor.dtype, tensor.shape));
    Json::Object entry;
    entry.emplace_back("dtype", std::string(dtype_name(tensor.dtype)));
    entry.emplace_back("shape", Json::Array(tensor.shape.begin(), tensor.shape.end()));
    entry.emplace_back("data_offsets", Json::Array{begin, end});
    root.emplace_back(tensor.name, std::move(entry));
    begin = end;
  }
  std::string header = Json(std::move(root)).dump();
  const std::size_t needed = kLengthBytes + header.size();
  if (room == 0) room = (needed + kAlignment - 1) / kAlignment * kAlignment;
  if (needed > room || room - kLengthBytes > kMaxHeader) {
    return argument_fault("its header takes " + std::to_string(needed) + " bytes, there is room for " +
                              std::to_string(std::min(room, kMaxHeader)),
                          path);
  }
  header.resize(room - kLengthBytes, ' ');
  std::string length(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header;
}

// A zip of pickles, or a pickle of protocol 2, as it was before PyTorch 1.6.
bool is_of_torch_save(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with("PK\x03\x04") || text.starts_with("\x80\x02");
}

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t size : shape) text.append(text.empty() ? "[" : ",").append(std::to_string(size));
  return text.empty() ? "[]" : text.append("]");
}

std::size_t dtype_size(DType dtype) { return info(dtype).size; }

std::string_view dtype_name(DType dtype) { return info(dtype).name; }

std::optional<std::size_t> tensor_bytes(DType dtype, std::span<const std::int64_t> shape) {
  constexpr auto kMax = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
  std::size_t bytes = dtype_size(dtype);
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    const auto factor = static_cast<std::size_t>(size);
    if (factor != 0 && bytes > kMax / factor) return std::nullopt;
    bytes *= factor;
  }
  return bytes;
}

Result<Safetensors> Safetensors::open(const std::string& path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  Safetensors safetensors;
  safetensors.path_ = path;
  safetensors.file_ = std::move(*file);
  const Status status = safetensors.read_header();
  if (!status.ok() && is_of_torch_save(safetensors.file_.bytes())) {
    return Status::error("this is a file of torch.save, not a safetensors file", path,
                         "save the state dict by safetensors.torch.save_file");
  }
  if (!status.ok()) return file_fault(status.message(), path);
  return safetensors;
}

Status Safetensors::read_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.empty()) return Status::error("the file is empty");
  if (bytes.size() < kLengthBytes) return Status::error("the file is truncated");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    return Status::error("its header claims " + std::to_string(length) + " bytes, the file has " +
                         std::to_string(bytes.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!text.starts_with('{')) return Status::error("its header does not begin with '{'");
  const Result<Json> header = parse_json(text, "header");
  if (!header.ok()) return header.status();

  std::vector<Entry> entries;
  for (const auto& [name, json] : *header->object()) {
    const bool is_metadata = name == kMetadataKey;
    Entry entry;
    entry.tensor.name = name;
    const Status status = is_metadata ? parse_metadata(json, metadata_) : parse_entry(json, entry);
    if (!status.ok())
      return Status::error((is_metadata ? name : "tensor " + quoted(name)) + ": " + status.message());
    if (!is_metadata) entries.push_back(std::move(entry));
  }
  BAUTA_TRY(place(entries, bytes.subspan(kLengthBytes + length)));

  for (Entry& entry : entries) {
    by_name_.push_back(tensors_.size());
    tensors_.push_back(std::move(entry.tensor));
  }
  std::sort(by_name_.begin(), by_name_.end(),
            [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
  return {};
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [this](std::size_t i, std::string_view n) { return tensors_[i].name < n; });
  return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
}

const std::string* Safetensors::metadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return &value;
  }
  return nullptr;
}

Status write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                         const Metadata& metadata) {
  std::vector<Described> described;
  for (const TensorView& tensor : tensors) {
    BAUTA_TRY(check_tensor(tensor, path));
    described.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const Result<std::string> header = make_header(described, metadata, 0, path);
  if (!header.ok()) return header.status();
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file.ok()) return file.status();
  BAUTA_TRY(file->write(std::as_bytes(std::span(*header))));
  for (const TensorView& tensor : tensors) BAUTA_TRY(file->write(tensor.bytes));
  return file->commit();
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path, const std::string& name,
                                                    DType dtype, std::vector<std::int64_t> row_shape,
                                                    std::size_t header_room) {
  const std::optional<std::size_t> row_bytes = tensor_bytes(dtype, row_shape);
  if (!row_bytes || *row_bytes == 0) {
    return argument_fault("rows of shape " + shape_text(row_shape) + " hold nothing", path);
  }
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file.ok()) return file.status();
  SafetensorsWriter writer(std::move(*file), path);
  writer.name_ = name;
  writer.dtype_ = dtype;
  writer.shape_ = std::move(row_shape);
  writer.shape_.insert(writer.shape_.begin(), 0);
  writer.row_bytes_ = *row_bytes;
  writer.header_room_ = (header_room + kAlignment - 1) / kAlignment * kAlignment;
  writer.file_.seek(writer.header_room_);
  return writer;
}

Status SafetensorsWriter::append_rows(std::span<const std::byte> rows) {
  if (rows.size() % row_bytes_ != 0) {
    return argument_fault(
        "rows of tensor " + quoted(name_) + " have " + std::to_string(row_bytes_) + " bytes", path_);
  }
  BAUTA_TRY(file_.write(rows));
  shape_.front() += static_cast<std::int64_t>(rows.size() / row_bytes_);
  return {};
}

Status SafetensorsWriter::finish(std::span<const TensorView> others, const Metadata& metadata) {
  const std::size_t rows_bytes = row_bytes_ * static_cast<std::size_t>(shape_.front());
  std::vector<Described> described = {{name_, dtype_, shape_}};
  for (const TensorView& tensor : others) {
    BAUTA_TRY(check_tensor(tensor, path_));
    described.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const Result<std::string> header = make_header(described, metadata, header_room_, path_);
  if (!header.ok()) return header.status();
  file_.seek(header_room_ + rows_bytes);
  for (const TensorView& tensor : others) BAUTA_TRY(file_.write(tensor.bytes));
  BAUTA_TRY(file_.write_at(0, std::as_bytes(std::span(*header))));
  return file_.commit();
}

}  // namespace bauta
