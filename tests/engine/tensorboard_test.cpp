#include "engine/io/tensorboard.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/engine/python.h"
#include "tests/engine/temporary_folder.h"

namespace bauta {
namespace {

namespace fs = std::filesystem;

class TensorBoard : public ::testing::Test {
 protected:
  static void write(EventFile& events, int first_step, int last_step, float offset) {
    for (int step = first_step; step <= last_step; ++step) {
      const auto value = static_cast<float>(step) / 4 + offset;
      ASSERT_TRUE(events.scalar("train_loss", step, value, 1700000000.5 + step).ok());
    }
    ASSERT_TRUE(events.flush().ok());
  }

  static std::string content(const std::string& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
  }
  std::string content() const { return content(path_); }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "events.out.tfevents.0.bauta";
};

TEST_F(TensorBoard, FileIsTheBytesOfTheFormat) {
  Result<EventFile> events = EventFile::create(path_);
  ASSERT_TRUE(events.ok()) << events.status().message();
  ASSERT_TRUE(events->flush().ok());
  const std::string version(
      "\x09\0\0\0\0\0\0\0\0\x1A\x0D"
      "brain.Event:2",
      24);
  EXPECT_EQ(events->size(), 8 + 4 + version.size() + 4);
  EXPECT_EQ(content().substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(content().substr(12, version.size()), version);

  ASSERT_TRUE(events->scalar("a", 300, 1.0F, 2.0).ok());
  ASSERT_TRUE(events->flush().ok());
  const std::string scalar(
      "\x09\0\0\0\0\0\0\0\x40\x10\xAC\x02\x2A\x0A\x0A\x08\x0A\x01"
      "a"
      "\x15\0\0\x80\x3F",
      24);
  EXPECT_EQ(content().substr(content().size() - 28, 24), scalar);
  EXPECT_EQ(content().size(), events->size());
}

TEST_F(TensorBoard, TensorBoardItselfReadsIt) {
  if (!python_has("tensorboard")) GTEST_SKIP() << python_lacks("tensorboard");
  Result<EventFile> events = EventFile::create(path_);
  ASSERT_TRUE(events.ok()) << events.status().message();
  write(*events, 1, 2, 0);
  ASSERT_TRUE(events->scalar("val_acc", 128, 0.5F, 2.5).ok());  // whose lowest seven bits are zero
  ASSERT_TRUE(events->scalar("val_acc", 1'000'000'000'000, 0.1F, 3).ok());
  ASSERT_TRUE(events->flush().ok());

  const std::string scalars = folder_ / "scalars";
  ASSERT_TRUE(run_python("tests/engine/read_events.py", "'" + path_ + "' > '" + scalars + "'"));
  EXPECT_EQ(content(scalars),
            "train_loss 1 0.25 1700000001.5\n"
            "train_loss 2 0.5 1700000002.5\n"
            "val_acc 128 0.5 2.5\n"
            "val_acc 1000000000000 0.10000000149011612 3.0\n");
}

TEST_F(TensorBoard, ResumedFileEqualsTheOneNeverInterrupted) {
  {
    Result<EventFile> events = EventFile::create(path_);
    ASSERT_TRUE(events.ok());
    write(*events, 1, 6, 0);
  }
  const std::string uninterrupted = content();

  std::uint64_t checkpoint = 0;
  {
    Result<EventFile> events = EventFile::create(path_);
    ASSERT_TRUE(events.ok());
    write(*events, 1, 3, 0);
    checkpoint = events->size();
    write(*events, 4, 5, 100);  // lost with the process
  }
  Result<EventFile> events = EventFile::append(path_, checkpoint);
  ASSERT_TRUE(events.ok()) << events.status().message();
  EXPECT_EQ(events->size(), checkpoint);
  EXPECT_EQ(fs::file_size(path_), checkpoint);
  write(*events, 4, 6, 0);
  EXPECT_EQ(content(), uninterrupted);
}

TEST_F(TensorBoard, ShorterFileIsRefusedAndKept) {
  {
    Result<EventFile> events = EventFile::create(path_);
    ASSERT_TRUE(events.ok());
    write(*events, 1, 1, 0);
  }
  const std::string before = content();
  const Result<EventFile> events = EventFile::append(path_, before.size() + 1);
  ASSERT_FALSE(events.ok());
  EXPECT_NE(events.status().message().find(path_), std::string::npos);
  EXPECT_EQ(content(), before);
}

TEST_F(TensorBoard, ErrorsNameTheFile) {
  const std::string unseen = folder_ / "events.bin";
  EXPECT_NE(EventFile::create(unseen).status().message().find(unseen), std::string::npos);
  EXPECT_FALSE(fs::exists(unseen));
  const std::string nowhere = folder_ / "missing/events.out.tfevents.0";
  EXPECT_NE(EventFile::create(nowhere).status().message().find(nowhere), std::string::npos);
  EXPECT_NE(EventFile::append(path_, 0).status().message().find(path_), std::string::npos);
}

TEST_F(TensorBoard, FullDiskIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  fs::create_symlink("/dev/full", path_);
  Result<EventFile> events = EventFile::create(path_);
  ASSERT_TRUE(events.ok());
  EXPECT_NE(events->flush().message().find("the disk is full"), std::string::npos);
}

}  // namespace
}  // namespace bauta
