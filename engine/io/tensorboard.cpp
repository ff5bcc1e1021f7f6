#include "engine/io/tensorboard.h"

#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <span>

#include "engine/io/crc.h"

namespace bauta {
namespace {

// Little-endian, whatever the machine.
template <class T>
void put_fixed(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

// ---- the parts of the protobuf wire format that an Event needs: a key is field << 3 | wire type

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, std::uint32_t field, WireType type) { put_varint(out, field << 3 | type); }

void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_double(std::string& out, std::uint32_t field, double value) {
  put_key(out, field, kFixed64);
  put_fixed(out, std::bit_cast<std::uint64_t>(value));
}

void put_float(std::string& out, std::uint32_t field, float value) {
  put_key(out, field, kFixed32);
  put_fixed(out, std::bit_cast<std::uint32_t>(value));
}

// ---- tensorboard/compat/proto/event.proto and summary.proto

std::string version_event() {
  std::string event;
  put_double(event, 1, 0);               // Event.wall_time
  put_bytes(event, 3, "brain.Event:2");  // Event.file_version
  return event;
}

std::string scalar_event(std::string_view tag, std::int64_t step, float value, double wall_time) {
  std::string point;
  put_bytes(point, 1, tag);    // Summary.Value.tag
  put_float(point, 2, value);  // Summary.Value.simple_value
  std::string summary;
  put_bytes(summary, 1, point);  // Summary.value
  std::string event;
  put_double(event, 1, wall_time);  // Event.wall_time
  put_key(event, 2, kVarint);       // Event.step
  put_varint(event, static_cast<std::uint64_t>(step));
  put_bytes(event, 5, summary);  // Event.summary
  return event;
}

// A TFRecord's checksums are masked, so that the checksum of data that hold checksums stays a good one.
std::uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(std::as_bytes(std::span(bytes))), 15) + 0xA282EAD8U;
}

}  // namespace

Result<EventFile> EventFile::create(const std::string& path) {
  if (path.substr(path.rfind('/') + 1).find("tfevents") == std::string::npos) {
    return Status::error("TensorBoard would not see this file", path,
                         "give it a name that contains tfevents");
  }
  FilePointer file(std::fopen(path.c_str(), "wb"));
  if (!file) return file_error("create", path);
  EventFile events(std::move(file), path, 0);
  BAUTA_TRY(events.record(version_event()));
  return events;
}

Result<EventFile> EventFile::append(const std::string& path, std::uint64_t keep_bytes) {
  FilePointer file(std::fopen(path.c_str(), "r+b"));
  if (!file) return file_error("open", path);
  struct stat info {};
  if (fstat(fileno(file.get()), &info) != 0) return file_error("read", path);
  if (static_cast<std::uint64_t>(info.st_size) < keep_bytes) {
    return Status::error("the event file has " + std::to_string(info.st_size) +
                             " bytes, but the checkpoint is at " + std::to_string(keep_bytes),
                         path, "put back the file that belongs to the checkpoint, or start a new run");
  }
  const auto end = static_cast<off_t>(keep_bytes);
  if (ftruncate(fileno(file.get()), end) != 0 || fseeko(file.get(), end, SEEK_SET) != 0)
    return file_error("shorten", path);
  return EventFile(std::move(file), path, keep_bytes);
}

Status EventFile::scalar(std::string_view tag, std::int64_t step, float value, double wall_time) {
  return record(scalar_event(tag, step, value, wall_time));
}

Status EventFile::flush() {
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) return file_error("write", path_);
  return {};
}

// TFRecord: length, its masked CRC, the data, their masked CRC.
Status EventFile::record(std::string_view event) {
  std::string bytes;
  put_fixed(bytes, std::uint64_t{event.size()});
  put_fixed(bytes, masked_crc(bytes));
  bytes += event;
  put_fixed(bytes, masked_crc(event));
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    return file_error("write", path_);
  size_ += bytes.size();
  return {};
}

}  // namespace bauta
