#include "engine/io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/engine/temporary_folder.h"

namespace {

int syncs = 0;       // calls of fsync
int sync_error = 0;  // with which they fail; 0: they do not

}  // namespace

// In the place of the C library's.
extern "C" int fsync(int file) {
  ++syncs;
  errno = sync_error;
  return sync_error != 0 ? -1 : static_cast<int>(::syscall(SYS_fsync, file));
}

namespace bauta {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string read(const std::string& path) {
  const Result<std::string> text = read_file(path, 1000000);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "";
}

TEST(WriteFile, ReplacesTheWholeFile) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "a long first version").ok());
  ASSERT_TRUE(write_file(folder / "a", "second").ok());
  EXPECT_EQ(read(folder / "a"), "second");
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(WriteFile, PutsTheFileAndItsNameOntoTheDisk) {
  const TemporaryFolder folder;
  syncs = 0;
  ASSERT_TRUE(write_file(folder / "a", "old").ok());
  EXPECT_EQ(syncs, 2);  // the file, and the folder that names it
  sync_error = EIO;
  const Status status = write_file(folder / "a", "new");
  sync_error = 0;
  EXPECT_THAT(status.message(), HasSubstr("cannot write: Input/output error (" + folder / "a" + ")"));
  EXPECT_EQ(read(folder / "a"), "old");
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(AtomicFile, WithoutCommitLeavesTheOldFileAndNoOther) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "old").ok());
  {
    Result<AtomicFile> file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write(bytes_of("new")).ok());
    EXPECT_TRUE(fs::exists(folder / "a.tmp"));
  }
  EXPECT_EQ(read(folder / "a"), "old");
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(AtomicFile, WritesInOrderAndAtOffsets) {
  const TemporaryFolder folder;
  Result<AtomicFile> file = AtomicFile::create(folder / "a");
  ASSERT_TRUE(file.ok());
  file->seek(4);
  ASSERT_TRUE(file->write(bytes_of("body")).ok());
  ASSERT_TRUE(file->write_at(0, bytes_of("head")).ok());
  ASSERT_TRUE(file->write(bytes_of("tail")).ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(read(folder / "a"), "headbodytail");
}

TEST(AtomicFile, TakesOverWhatAKilledProcessLeft) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a.tmp", "left by a process that was killed").ok());
  ASSERT_TRUE(write_file(folder / "a", "new").ok());
  EXPECT_EQ(read(folder / "a"), "new");
}

TEST(AtomicFile, RefusesASecondWriter) {
  const TemporaryFolder folder;
  Result<AtomicFile> first = AtomicFile::create(folder / "a");
  ASSERT_TRUE(first.ok());
  const Result<AtomicFile> second = AtomicFile::create(folder / "a");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("another process is writing this file"));
  ASSERT_TRUE(first->write(bytes_of("x")).ok());
  EXPECT_TRUE(first->commit().ok());
  EXPECT_EQ(read(folder / "a"), "x");
}

TEST(AtomicFile, SaysThatTheDiskIsFullAndKeepsTheOldFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "old").ok());
  fs::create_symlink("/dev/full", folder / "a.tmp");
  const Status status = write_file(folder / "a", "new");
  EXPECT_EQ(status.message(),
            "cannot write: the disk is full (" + (folder / "a") + "): free some space, or write elsewhere");
  EXPECT_EQ(read(folder / "a"), "old");
}

TEST(AtomicFile, NamesAFolderThatDoesNotExist) {
  const TemporaryFolder folder;
  const Status status = write_file(folder / "missing/a", "x");
  EXPECT_THAT(status.message(), HasSubstr("No such file or directory"));
  EXPECT_THAT(status.message(), HasSubstr(folder / "missing/a"));
}

TEST(AtomicFile, RefusesAFoldersPathBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  EXPECT_EQ(AtomicFile::create(folder / "a").status().message(),
            "cannot write: Is a directory (" + (folder / "a") + "): name a file, not a folder");
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(FileError, AlwaysSaysWhatToDo) {
  for (const int error : {ENOENT, EACCES, ENOSPC, EMFILE, EFBIG, EISDIR, ELOOP, EIO, ENAMETOOLONG, ESTALE}) {
    errno = error;
    EXPECT_THAT(file_error("write", "a").message(), testing::MatchesRegex(R"(cannot write: .+ \(a\): .+)"));
  }
}

TEST(MappedFile, ShowsTheBytesAndKeepsThemWhenMovedOrReplaced) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "contents").ok());
  Result<MappedFile> opened = MappedFile::open(folder / "a");
  ASSERT_TRUE(opened.ok());
  const std::span<const std::byte> bytes = opened->bytes();
  const MappedFile moved = std::move(*opened);
  ASSERT_TRUE(write_file(folder / "a", "others").ok());
  EXPECT_EQ(moved.bytes().data(), bytes.data());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "contents");
}

TEST(MappedFile, OfAnEmptyFileIsEmpty) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "").ok());
  const Result<MappedFile> file = MappedFile::open(folder / "a");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNotAFile) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "folder");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(MappedFile::open(folder / "folder").status().message(), HasSubstr("this is not a file"));
  EXPECT_THAT(MappedFile::open(folder / "pipe").status().message(), HasSubstr("this is not a file"));
  EXPECT_THAT(MappedFile::open(folder / "missing").status().message(), HasSubstr("No such file"));
}

TEST(ReadFile, StopsAtTheLimit) {
  const TemporaryFolder folder;
  const std::string text(200000, 'x');
  ASSERT_TRUE(write_file(folder / "a", text).ok());
  EXPECT_EQ(read(folder / "a"), text);
  EXPECT_TRUE(read_file(folder / "a", text.size()).ok());
  EXPECT_THAT(read_file(folder / "a", text.size() - 1).status().message(),
              HasSubstr("larger than 199999 bytes"));
  EXPECT_THAT(read_file(folder / "", 10).status().message(), HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace bauta
