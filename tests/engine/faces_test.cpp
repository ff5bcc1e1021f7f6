#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <string>

#include "engine/data/faces/make_dataset.h"
#include "engine/data/faces/render.h"
#include "tests/engine/temporary_folder.h"

namespace {

std::string awaited;         // a folder that is not to have its name before its files are on the disk
bool there_at_sync = false;  // whether it had
int syncs = 0;               // calls of syncfs
int sync_error = 0;          // with which they fail; 0: they do not

}  // namespace

// In the place of the C library's.
extern "C" int syncfs(int file) noexcept {
  ++syncs;
  there_at_sync = std::filesystem::exists(awaited);
  errno = sync_error;
  return sync_error != 0 ? -1 : static_cast<int>(::syscall(SYS_syncfs, file));
}

namespace bauta {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// The bytes of every file below `folder`, by relative path.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[fs::relative(entry.path(), folder).string()] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

/// The mean byte of the rows from `from` to `to`, as shares of the height.
double mean_brightness(const RenderedFace& face, double from, double to) {
  const auto row_bytes = static_cast<std::size_t>(face.width) * 3;
  const auto begin = face.rgb.begin() +
                     static_cast<std::ptrdiff_t>(static_cast<std::size_t>(from * face.height) * row_bytes);
  const auto end =
      face.rgb.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(to * face.height) * row_bytes);
  return std::accumulate(begin, end, 0.0) / static_cast<double>(end - begin);
}

TEST(RenderFace, GivesTheSamePictureForTheSameSeedAndIndex) {
  EXPECT_EQ(render_face(3, 5, true).rgb, render_face(3, 5, true).rgb);
}

TEST(RenderFace, GivesAnotherPictureForAnotherSeedIndexOrClass) {
  const RenderedFace face = render_face(3, 5, true);
  EXPECT_NE(face.rgb, render_face(3, 6, true).rgb);
  EXPECT_NE(face.rgb, render_face(4, 5, true).rgb);
  EXPECT_NE(face.rgb, render_face(3, 5, false).rgb);
}

TEST(RenderFace, HasTheSizesOfFaceCrops) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    const RenderedFace face = render_face(0, i, true);
    EXPECT_GE(face.width, 80);
    EXPECT_LE(face.width, 128);
    EXPECT_GE(face.height, 80);
    EXPECT_LE(face.height, 160);
    EXPECT_EQ(face.rgb.size(), static_cast<std::size_t>(face.width * face.height * 3));
    EXPECT_GE(face.jpeg_quality, 40);
    EXPECT_LE(face.jpeg_quality, 95);
  }
}

TEST(RenderFace, ShowsOnePictureInBothClassesButForTheMask) {
  double top_difference = 0, mouth_difference = 0, signed_top = 0;
  constexpr int kFaces = 60;
  for (std::uint64_t i = 0; i < kFaces; ++i) {
    const RenderedFace with = render_face(1, i, true);
    const RenderedFace without = render_face(1, i, false);
    ASSERT_EQ(with.width, without.width);
    ASSERT_EQ(with.height, without.height);
    EXPECT_EQ(with.jpeg_quality, without.jpeg_quality);
    EXPECT_EQ(with.subsampled_chroma, without.subsampled_chroma);
    const double top = mean_brightness(with, 0, 0.35) - mean_brightness(without, 0, 0.35);
    const double mouth = mean_brightness(with, 0.55, 0.9) - mean_brightness(without, 0.55, 0.9);
    top_difference += std::abs(top) / kFaces;
    signed_top += top / kFaces;
    mouth_difference += std::abs(mouth) / kFaces;
  }
  EXPECT_LT(top_difference, 1.0);  // of 255
  EXPECT_LT(std::abs(signed_top), 0.5);
  EXPECT_GT(mouth_difference, 10);
}

TEST(MakeDataset, WritesTheLayoutOfRmfd) {
  const TemporaryFolder folder;
  int last_done = 0;
  MakeOptions options{folder / "set", 52, 3, 7, 2, {}};
  options.progress = [&](int done, int total) {
    EXPECT_GT(done, last_done);
    EXPECT_EQ(total, 55);
    last_done = done;
  };
  const Status made = make_dataset(options);
  ASSERT_TRUE(made.ok()) << made.message();
  EXPECT_EQ(last_done, 55);
  const auto files = contents(folder / "set");
  EXPECT_EQ(files.size(), 55U);
  EXPECT_TRUE(files.contains("AFDB_masked_face_dataset/0000/000049.jpg"));
  EXPECT_TRUE(files.contains("AFDB_masked_face_dataset/0001/000051.jpg"));
  EXPECT_TRUE(files.contains("AFDB_face_dataset/0000/000002.jpg"));
  for (const auto& [path, bytes] : files) EXPECT_EQ(bytes.substr(0, 3), "\xff\xd8\xff") << path;
  EXPECT_FALSE(fs::exists(folder / "set.tmp"));
}

TEST(MakeDataset, WritesTheSameBytesForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_dataset({folder / "one", 9, 8, 1, 1, {}}).ok());
  ASSERT_TRUE(make_dataset({folder / "three", 9, 8, 1, 3, {}}).ok());
  EXPECT_EQ(contents(folder / "one"), contents(folder / "three"));
}

TEST(MakeDataset, BeginsALargerSetWithTheSmallerOne) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_dataset({folder / "small", 2, 2, 1, 1, {}}).ok());
  ASSERT_TRUE(make_dataset({folder / "large", 4, 3, 1, 1, {}}).ok());
  const auto large = contents(folder / "large");
  for (const auto& [path, bytes] : contents(folder / "small")) EXPECT_EQ(large.at(path), bytes) << path;
}

TEST(MakeDataset, GivesTheFolderItsNameWhenItsFilesAreOnTheDisk) {
  const TemporaryFolder folder;
  awaited = folder / "set";
  syncs = 0;
  ASSERT_TRUE(make_dataset({awaited, 1, 1, 0, 1, {}}).ok());
  EXPECT_EQ(syncs, 1);
  EXPECT_FALSE(there_at_sync);
  sync_error = EIO;
  const Status made = make_dataset({folder / "failed", 1, 1, 0, 1, {}});
  sync_error = 0;
  EXPECT_THAT(made.message(), HasSubstr("failed"));
  EXPECT_FALSE(fs::exists(folder / "failed"));
}

TEST(MakeDataset, FillsAnEmptyFolder) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "set");
  EXPECT_TRUE(make_dataset({folder / "set/", 1, 1, 0, 1, {}}).ok());
  EXPECT_EQ(contents(folder / "set").size(), 2U);
}

TEST(MakeDataset, RefusesAFolderWithSomethingInIt) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "set");
  std::ofstream(folder / "set/precious.txt") << "keep me";
  const Status made = make_dataset({folder / "set", 1, 1, 0, 1, {}});
  EXPECT_THAT(made.message(), HasSubstr("not empty"));
  EXPECT_THAT(made.message(), HasSubstr(folder / "set"));
  EXPECT_EQ(contents(folder / "set").at("precious.txt"), "keep me");
}

TEST(MakeDataset, LeavesAnUnfinishedSetOfAnotherRunAlone) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "set.tmp/AFDB_face_dataset");
  EXPECT_THAT(make_dataset({folder / "set", 1, 1, 0, 1, {}}).message(), HasSubstr("set.tmp"));
  EXPECT_TRUE(fs::exists(folder / "set.tmp/AFDB_face_dataset"));
}

TEST(MakeDataset, NamesTheFolderThatItCannotCreate) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "not a folder";
  const Status made = make_dataset({folder / "file/set", 1, 1, 0, 1, {}});
  EXPECT_FALSE(made.ok());
  EXPECT_THAT(made.message(), HasSubstr("file/set"));
}

TEST(MakeDataset, RefusesSenselessNumbers) {
  const TemporaryFolder folder;
  EXPECT_TRUE(make_dataset({folder / "set", -1, 1, 0, 1, {}}).is_usage());
  EXPECT_TRUE(make_dataset({folder / "set", 0, 0, 0, 1, {}}).is_usage());
  EXPECT_TRUE(make_dataset({folder / "set", 1, 1, 0, 0, {}}).is_usage());
  EXPECT_TRUE(make_dataset({"", 1, 1, 0, 1, {}}).is_usage());
  EXPECT_FALSE(fs::exists(folder / "set"));
}

}  // namespace
}  // namespace bauta
