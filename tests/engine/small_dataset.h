#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

#include "engine/core/rng.h"
#include "engine/data/dataset.h"
#include "tests/engine/temporary_folder.h"

/// For the one source of a test: data sets of small images in a temporary folder, and what is in them.
namespace bauta {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;
using Bytes = std::vector<std::uint8_t>;

inline constexpr ImageSize kSize{6, 8, 3};

/// Noise that `key` determines.
inline Bytes noise(ImageSize size, std::uint64_t key) {
  Bytes pixels(size.bytes());
  Rng rng(key, RngStream::init);
  for (std::uint8_t& byte : pixels) byte = static_cast<std::uint8_t>(rng.below(256));
  return pixels;
}

/// Writes noise as a JPEG, or as a PNG where the name says so.
inline void write_image(const std::string& path, std::uint64_t key, ImageSize size = kSize) {
  fs::create_directories(fs::path(path).parent_path());
  const Bytes pixels = noise(size, key);
  const bool written = path.ends_with(".png")
                           ? stbi_write_png(path.c_str(), size.width, size.height, 3, pixels.data(), 0) != 0
                           : stbi_write_jpg(path.c_str(), size.width, size.height, 3, pixels.data(), 90) != 0;
  EXPECT_TRUE(written) << path;
}

inline void write_text(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A small data set in class folders: 3 faces without and 2 with a mask.
inline void write_faces(const TemporaryFolder& root) {
  write_image(root / "faces/no_mask/a.png", 1);
  write_image(root / "faces/no_mask/b.jpg", 2, {30, 17, 3});
  write_image(root / "faces/no_mask/c.png", 3);
  write_image(root / "faces/mask/id7/0.jpg", 4);
  write_image(root / "faces/mask/id8/0.png", 5, {12, 16, 3});
}

inline OpenOptions small() { return {.size = kSize, .threads = 2}; }

inline Dataset opened(const std::string& path, const OpenOptions& options = small()) {
  Result<Dataset> data = open_dataset(path, options);
  EXPECT_TRUE(data.ok()) << data.status().message();
  return data.ok() ? *data : Dataset({});
}

inline std::string error_of(const std::string& path, const OpenOptions& options = small()) {
  const Result<Dataset> data = open_dataset(path, options);
  EXPECT_FALSE(data.ok()) << path;
  return data.status().message();
}

inline void pack(const std::string& path, const std::string& out, const OpenOptions& options = small()) {
  const Status status = pack_dataset(path, out, options);
  EXPECT_TRUE(status.ok()) << status.message();
}

inline Names names_of(const Dataset& data) {
  Names names;
  for (int i = 0; i < data.size(); ++i) names.push_back(data.name(i));
  return names;
}

inline void expect_same(const Dataset& a, const Dataset& b) {
  EXPECT_EQ(a.image_size(), b.image_size());
  EXPECT_EQ(a.classes(), b.classes());
  EXPECT_EQ(names_of(a), names_of(b));
  EXPECT_TRUE(std::ranges::equal(a.labels(), b.labels()));
  EXPECT_TRUE(std::ranges::equal(a.groups(), b.groups()));
  EXPECT_TRUE(std::ranges::equal(a.own_parts(), b.own_parts()));
  EXPECT_TRUE(std::ranges::equal(a.all_pixels(), b.all_pixels()));
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
}

#define EXPECT_BEGINS(text, beginning) EXPECT_EQ((text).substr(0, std::string(beginning).size()), beginning)
#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

}  // namespace bauta
