#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/engine/small_dataset.h"

namespace bauta {
namespace {

TEST(Pack, IsTheSameDataSet) {
  const TemporaryFolder root;
  write_faces(root);
  write_text(root / "faces/mask/bad.jpg", "no image");
  write_text(root / "faces/grouped.csv",
             "path,label,group\nmask/bad.jpg,1,9\nmask/id8/0.png,1,x\nno_mask/a.png,0,\nno_mask/"
             "c.png,0,y\nmask/id7/0.jpg,1,x\n");
  write_text(root / "faces/split.csv",
             "path,label,split\nmask/bad.jpg,1,val\nmask/id8/0.png,1,test\nno_mask/a.png,0,train\nno_mask/"
             "c.png,0,val\nmask/id7/0.jpg,1,train\n");
  for (const std::string& path : {root / "faces", root / "faces/grouped.csv", root / "faces/split.csv"}) {
    pack(path, root / "p");
    const Dataset packed = opened(root / "p");
    expect_same(packed, opened(path));
    // The file may go while it is mapped.
    fs::remove(root / "p");
    expect_same(packed, opened(path));
  }
}

TEST(Pack, HasRoomForTheNamesOfManyClasses) {
  const TemporaryFolder root;
  write_faces(root);
  std::string manifest = "path,label\n";
  for (int i = 0; i < 1400; ++i)
    manifest += "mask/id8/0.png," + std::string(100, 'c') + std::to_string(i / 2) + "\n";
  write_text(root / "faces/classes.csv", manifest);
  pack(root / "faces/classes.csv", root / "p");
  expect_same(opened(root / "p"), opened(root / "faces/classes.csv"));
}

TEST(Pack, KilledWhileWritingLeavesWhatWasThere) {
  const TemporaryFolder root;
  write_faces(root);
  for (const bool before : {false, true}) {
    if (before) pack(root / "faces", root / "p");
    const std::string what_was_there = before ? read_text(root / "p") : "";
    const pid_t child = ::fork();
    if (child == 0) {
      OpenOptions options{.size = kSize};
      options.progress = [](int, int) { ::raise(SIGKILL); };
      const Status status = pack_dataset(root / "faces", root / "p", options);
      ::_exit(status.ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(fs::exists(root / "p"), before);
    EXPECT_EQ(read_text(root / "p"), what_was_there);
  }
  pack(root / "faces", root / "p");
  expect_same(opened(root / "p"), opened(root / "faces"));
}

TEST(Pack, OfAnotherSizeOrKindIsRefused) {
  const TemporaryFolder root;
  write_faces(root);
  pack(root / "faces", root / "p");
  OpenOptions options = small();
  options.size = {100, 100, 3};
  EXPECT_BEGINS(
      error_of(root / "p", options),
      "this pack holds images of 6x8 pixels (height x width), not of 100x100 (" + (root / "p") + "): ");
  EXPECT_BEGINS(pack_dataset(root / "p", root / "q", small()).message(),
                "this is a pack already (" + (root / "p"));

  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string weights(8, '\0');
  weights[0] = static_cast<char>(header.size());
  write_text(root / "weights", weights + header + std::string(4, '\0'));
  EXPECT_BEGINS(error_of(root / "weights"), "this version cannot read this pack (" + (root / "weights"));
}

TEST(Pack, CutShortIsRefused) {
  const TemporaryFolder root;
  write_faces(root);
  pack(root / "faces", root / "p");
  const std::string whole = read_text(root / "p");
  for (std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{9}, std::size_t{300}, whole.size() / 2,
                           whole.size() - 1}) {
    write_text(root / "cut.safetensors", whole.substr(0, size));
    EXPECT_CONTAINS(error_of(root / "cut.safetensors"), root / "cut.safetensors");
  }
}

// Whatever became of its bytes, a pack opens as a consistent data set or is refused.
TEST(Pack, SurvivesAnyDamage) {
  const TemporaryFolder root;
  write_faces(root);
  write_text(
      root / "faces/grouped.csv",
      "path,label,group,split\nmask/id8/0.png,1,x,train\nno_mask/a.png,0,,val\nno_mask/c.png,0,y,train\n"
      "mask/id7/0.jpg,1,x,val\n");
  pack(root / "faces/grouped.csv", root / "p");
  const std::string whole = read_text(root / "p");
  // The header's text and what follows the pixels, without the room that is left between.
  const std::size_t header_end = whole.find("  ");
  const std::size_t tail = whole.size() - 120;
  Rng rng(1, RngStream::init);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (std::uint32_t edits = 1 + rng.below(3); edits > 0; --edits) {
      const std::size_t at =
          rng.below(2) ? rng.below(static_cast<std::uint32_t>(header_end)) : tail + rng.below(120);
      damaged[at] = rng.below(2) ? static_cast<char>(rng.below(256)) : "0123456789[]{},:\""[rng.below(17)];
    }
    write_text(root / "damaged.safetensors", damaged);
    const Result<Dataset> data = open_dataset(root / "damaged.safetensors", small());
    if (!data.ok()) {
      ++refused;
      continue;
    }
    EXPECT_EQ(data->all_pixels().size(), static_cast<std::size_t>(data->size()) * kSize.bytes());
    for (int i = 0; i < data->size(); ++i) {
      EXPECT_TRUE(data->label(i) >= 0 && data->label(i) < std::ssize(data->classes()));
    }
    EXPECT_NE(data->fingerprint(), 0U);
    EXPECT_LT(names_of(*data).size(), 5U);
  }
  EXPECT_GT(refused, 500);
}

TEST(Pack, ThatIsEmptyIsNotTakenForAManifest) {
  const TemporaryFolder root;
  for (const std::string& text : {std::string(), std::string(5, 'x')}) {
    write_text(root / "p.safetensors", text);
    const auto error = error_of(root / "p.safetensors");
    EXPECT_EQ(error.find("header line"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace bauta
