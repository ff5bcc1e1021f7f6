#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/file.h"
#include "kernels/status.h"

namespace bauta {

/// What a tensor's elements are. In files: F32, F64, F16, BF16, I64, I32, I16, I8, U8, BOOL; little-endian.
enum class DType { f32, f64, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// Bytes of one element.
std::size_t dtype_size(DType dtype);

/// The name that files use, such as "F32".
std::string_view dtype_name(DType dtype);

/// A tensor in a file or in memory, row-major; owns nothing but its name and shape.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  ///< sizes of at least 0; empty for a scalar
  /// Product of the shape times dtype_size; in foreign files aligned to nothing.
  std::span<const std::byte> bytes;
};

/// The product of the sizes times dtype_size, or nothing when a size is negative or the product overflows.
std::optional<std::size_t> tensor_bytes(DType dtype, std::span<const std::int64_t> shape);

/// A shape as errors name it, such as "[5,3]".
std::string shape_text(std::span<const std::int64_t> shape);

/// Key and value pairs of text, in the order of the file; keys are unique.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// A safetensors file (https://github.com/huggingface/safetensors), opened by mapping it: 8 bytes of length,
/// a JSON header, then the tensors' bytes without holes. Opening checks everything: lengths against the
/// file's, names, types, sizes, that the tensors cover the data exactly. What passes can be read without a
/// further check.
class Safetensors {
 public:
  static Result<Safetensors> open(const std::string& path);

  /// In the order of their bytes in the file; the views are valid while this object, or one it was moved to,
  /// lives.
  const std::vector<TensorView>& tensors() const { return tensors_; }

  /// The tensor with this name, or null.
  const TensorView* find(std::string_view name) const;

  const Metadata& metadata() const { return metadata_; }

  /// The metadata's value for `key`, or null.
  const std::string* metadata(std::string_view key) const;

  /// Where it was opened, for errors.
  const std::string& path() const { return path_; }

 private:
  Status read_header();

  std::string path_;
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::vector<std::size_t> by_name_;  // indices into tensors_, sorted by name
  Metadata metadata_;
};

/// Writes the tensors in the given order, whole or not at all; the same arguments give the same bytes. The
/// data begin at a multiple of 64 bytes; a tensor whose predecessors' sizes are multiples of 64 is aligned to
/// that too. Names and metadata must be UTF-8, and unique.
Status write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                         const Metadata& metadata);

/// Writes a safetensors file whose first tensor, of dtype and shape [rows, row_shape...], comes row by row
/// and need not fit in memory. Destroyed before finish() has succeeded, it leaves nothing behind.
class SafetensorsWriter {
 public:
  /// Room for the header, which is written last: the file begins with that many bytes, filled up with spaces.
  static constexpr std::size_t kHeaderRoom = std::size_t{64} * 1024;

  static Result<SafetensorsWriter> create(const std::string& path, const std::string& name, DType dtype,
                                          std::vector<std::int64_t> row_shape,
                                          std::size_t header_room = kHeaderRoom);

  /// Appends any number of whole rows.
  Status append_rows(std::span<const std::byte> rows);

  /// Appends the other tensors, writes the header and puts the file in place. Fails, and can be called again
  /// with less, when names, shapes and metadata do not fit in the header's room.
  Status finish(std::span<const TensorView> others, const Metadata& metadata);

 private:
  SafetensorsWriter(AtomicFile file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  AtomicFile file_;
  std::string path_;
  std::string name_;
  DType dtype_ = DType::u8;
  std::vector<std::int64_t> shape_;  // rows first
  std::size_t row_bytes_ = 0;
  std::size_t header_room_ = 0;
};

}  // namespace bauta
