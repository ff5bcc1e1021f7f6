#include "engine/data/dataset.h"

#include <cstdlib>
#include <set>

#include "engine/data/class_names.h"
#include "engine/data/image_size.h"
#include "engine/data/split.h"
#include "tests/engine/small_dataset.h"

namespace bauta {
namespace {

TEST(Dataset, OpensAFolder) {
  const TemporaryFolder root;
  write_faces(root);
  const Dataset data = opened(root / "faces");
  ASSERT_EQ(data.size(), 5);
  EXPECT_EQ(data.classes(), study_classes());
  EXPECT_EQ(names_of(data),
            (Names{"no_mask/a.png", "no_mask/b.jpg", "no_mask/c.png", "mask/id7/0.jpg", "mask/id8/0.png"}));
  EXPECT_TRUE(std::ranges::equal(data.labels(), std::vector<std::int32_t>{0, 0, 0, 1, 1}));
  EXPECT_TRUE(data.groups().empty());
  EXPECT_EQ(data.all_pixels().size(), 5 * kSize.bytes());
  // Of the right size already: the very bytes.
  EXPECT_TRUE(std::ranges::equal(data.pixels(0), noise(kSize, 1)));
  EXPECT_TRUE(std::ranges::equal(data.pixels(2), noise(kSize, 3)));
}

TEST(Dataset, OpensTheRmfdLayout) {
  const TemporaryFolder root;
  for (int i = 0; i < 3; ++i) {
    const std::string id = std::to_string(i);
    write_image(root / ("rmfd/AFDB_masked_face_dataset/id" + id + "/0_0.jpg"), 1);
    write_image(root / ("rmfd/AFDB_face_dataset/id" + id + "/0_0.jpg"), 2);
  }
  const Dataset data = opened(root / "rmfd/");
  EXPECT_EQ(data.classes(), study_classes());
  EXPECT_EQ(data.name(0), "AFDB_face_dataset/id0/0_0.jpg");
  EXPECT_EQ(data.name(5), "AFDB_masked_face_dataset/id2/0_0.jpg");
}

TEST(Dataset, OpensAManifest) {
  const TemporaryFolder root;
  write_faces(root);
  write_text(root / "faces/list.csv", "path,label,group\r\nmask/id8/0.png,dog,x\r\n" +
                                          (root / "faces/no_mask/a.png") +
                                          ",cat,\r\nno_mask/c.png,cat,y\r\nmask/id7/0.jpg,dog,x\r\n");
  const Dataset data = opened(root / "faces/list.csv");
  EXPECT_EQ(data.classes(), (Names{"cat", "dog"}));
  EXPECT_EQ(names_of(data),
            (Names{"mask/id8/0.png", root / "faces/no_mask/a.png", "no_mask/c.png", "mask/id7/0.jpg"}));
  EXPECT_TRUE(std::ranges::equal(data.labels(), std::vector<std::int32_t>{1, 0, 0, 1}));
  EXPECT_TRUE(std::ranges::equal(data.groups(), std::vector<std::int32_t>{0, -1, 1, 0}));
  EXPECT_TRUE(std::ranges::equal(data.pixels(2), noise(kSize, 3)));
}

TEST(Dataset, ComesSplitWithoutTheImagesThatCannotBeRead) {
  const TemporaryFolder root;
  for (const char* part : {"train", "val"}) {
    write_image(root / (std::string("faces/") + part + "/mask/a.png"), 1);
    write_image(root / (std::string("faces/") + part + "/no_mask/a.png"), 2);
  }
  write_text(root / "faces/train/no_mask/0.png", "no image");
  const Dataset data = opened(root / "faces");
  EXPECT_EQ(names_of(data),
            (Names{"train/no_mask/a.png", "val/no_mask/a.png", "train/mask/a.png", "val/mask/a.png"}));
  EXPECT_TRUE(data.is_split());
  EXPECT_TRUE(
      std::ranges::equal(data.own_parts(), std::vector{Part::train, Part::val, Part::train, Part::val}));
}

TEST(Dataset, DoesNotDependOnTheNumberOfThreads) {
  const TemporaryFolder root;
  for (int i = 0; i < 300; ++i)
    write_image(root / ((i % 3 ? "set/a/" : "set/b/") + std::to_string(i) + ".jpg"),
                static_cast<std::uint64_t>(i));
  OpenOptions options = small();
  std::vector<int> done;
  options.progress = [&](int n, int total) {
    EXPECT_EQ(total, 300);
    done.push_back(n);
  };
  options.threads = 1;
  const Dataset one = opened(root / "set", options);
  EXPECT_EQ(done, (std::vector<int>{256, 300}));
  options.threads = 3;
  expect_same(opened(root / "set", options), one);
}

TEST(Dataset, LeavesOutBadImagesAndSaysSo) {
  const TemporaryFolder root;
  write_faces(root);
  write_text(root / "faces/mask/empty.jpg", "");
  write_text(root / "faces/mask/text.png", "no image");
  const std::string jpeg = read_text(root / "faces/mask/id7/0.jpg");
  write_text(root / "faces/no_mask/cut.jpg", jpeg.substr(0, 100));
  fs::create_symlink("nowhere", root / "faces/no_mask/dangling.jpg");
  OpenOptions options = small();
  Names warnings;
  options.warn = [&](std::string_view line) { warnings.emplace_back(line); };
  const Dataset data = opened(root / "faces", options);
  EXPECT_EQ(data.size(), 5);
  ASSERT_EQ(warnings.size(), 5U);
  for (std::size_t i = 0;
       const char* name : {"no_mask/cut.jpg", "no_mask/dangling.jpg", "mask/empty.jpg", "mask/text.png"}) {
    EXPECT_BEGINS(warnings[i], "left out: ");
    EXPECT_CONTAINS(warnings[i], root / (std::string("faces/") + name));
    ++i;
  }
  EXPECT_EQ(warnings[4], "4 of 9 images could not be read and were left out");
  EXPECT_EQ(data.left_out(), 4);

  options.strict = true;
  EXPECT_CONTAINS(error_of(root / "faces", options), root / "faces/no_mask/cut.jpg");
  EXPECT_FALSE(pack_dataset(root / "faces", root / "p", options).ok());
  EXPECT_FALSE(fs::exists(root / "p"));
}

TEST(Dataset, WarnsOfCopiesWhenOpenedAndWhenPacked) {
  const TemporaryFolder root;
  write_faces(root);
  fs::copy_file(root / "faces/no_mask/a.png", root / "faces/no_mask/copy_of_a.png");
  OpenOptions options = small();
  Names warnings;
  options.warn = [&](std::string_view line) { warnings.emplace_back(line); };
  EXPECT_EQ(opened(root / "faces", options).size(), 6);
  EXPECT_EQ(pack_dataset(root / "faces", root / "p", options).message(), "");
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_BEGINS(warnings[0], "1 image is a copy of another (no_mask/copy_of_a.png of no_mask/a.png): ");
  EXPECT_EQ(warnings[1], warnings[0]);
}

TEST(Dataset, WarnsOfClassesThatLookAlike) {
  const TemporaryFolder root;
  for (int i = 0; i < 4; ++i)
    write_image(root / ("set/" + std::string(i < 2 ? "Cat/" : "cat/") + std::to_string(i) + ".png"),
                static_cast<std::uint64_t>(i));
  OpenOptions options = small();
  Names warnings;
  options.warn = [&](std::string_view line) { warnings.emplace_back(line); };
  EXPECT_EQ(opened(root / "set", options).classes(), (Names{"Cat", "cat"}));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_BEGINS(warnings[0], "'Cat' and 'cat' are two classes: ");
}

TEST(Dataset, IsNoJson) {
  const TemporaryFolder root;
  write_text(root / "coco.json", "{\"images\": [], \"note\": \"none\"}");
  EXPECT_EQ(error_of(root / "coco.json", small()),
            "this is JSON, and no data set (" + (root / "coco.json") +
                "): give a folder with one folder per class, a CSV manifest, or a pack");
}

TEST(Dataset, TheClassesOfANetworkDecideTheLabels) {
  const TemporaryFolder root;
  write_faces(root);
  pack(root / "faces", root / "p");
  OpenOptions options = small();
  options.classes = {"Masked", "half", "unmasked"};
  EXPECT_BEGINS(error_of(root / "faces", options), "the data set has no class half, and the network has (");
  options.to_train = false;
  for (const std::string& path : {root / "faces", root / "p"}) {
    const Dataset data = opened(path, options);
    EXPECT_EQ(data.classes(), options.classes);
    EXPECT_EQ(data.name(0), "no_mask/a.png");
    EXPECT_TRUE(std::ranges::equal(data.labels(), std::vector<std::int32_t>{2, 2, 2, 0, 0}));
  }
  options.classes = {"cat", "dog"};
  for (const std::string& path : {root / "faces", root / "p"}) {
    EXPECT_BEGINS(
        error_of(path, options),
        "class without_mask of the data set is not one of the network's: cat, dog (" + path + "): ");
  }
}

TEST(Dataset, ErrorsNameTheFileAndTheRemedy) {
  const TemporaryFolder root;
  EXPECT_CONTAINS(error_of(root / "missing"), "(" + (root / "missing") + "): check the path");
  write_text(root / "binary", std::string_view("GIF89a\0\0\0\1", 10));
  EXPECT_BEGINS(error_of(root / "binary"), "this is no data set (" + (root / "binary") + "): give a folder");
  write_text(root / "bad.csv", "path,label\na.jpg,mask\nb.jpg\n");
  EXPECT_CONTAINS(error_of(root / "bad.csv"), "(" + (root / "bad.csv") + ":3): ");
  write_text(root / "none.csv", "path,label\n");
  EXPECT_BEGINS(error_of(root / "none.csv"), "there are no images (");
  fs::create_directories(root / "empty");
  EXPECT_BEGINS(error_of(root / "empty"), "there are no images (");

  write_image(root / "one/mask/a.png", 1);
  write_image(root / "one/mask/b.png", 1);
  EXPECT_BEGINS(error_of(root / "one"), "class without_mask has no image that can be read (");
  write_image(root / "other/cat/a.png", 1);
  EXPECT_BEGINS(error_of(root / "other"), "there is only one class, cat (");
  write_image(root / "one/no_mask/a.png", 1);
  EXPECT_BEGINS(error_of(root / "one"), "class without_mask has only one image that can be read (");
  write_text(root / "one/no_mask/b.png", "no image");
  EXPECT_BEGINS(error_of(root / "one"), "class without_mask has only one image that can be read (");
  EXPECT_FALSE(pack_dataset(root / "one", root / "p", small()).ok());
  EXPECT_FALSE(fs::exists(root / "p"));
}

TEST(Dataset, RefusesWhatDoesNotFitInMemory) {
  const TemporaryFolder root;
  std::string manifest = "path,label\n";
  for (int i = 0; i < 40000; ++i) manifest += "x.jpg," + std::to_string(i % 2) + "\n";
  write_text(root / "large.csv", manifest);
  OpenOptions options;
  options.size = {ImageSize::kMaxSide, ImageSize::kMaxSide, 3};
  EXPECT_BEGINS(error_of(root / "large.csv", options),
                "decoded, these images need 7680000 MiB, more than half");
  options.size.width += 1;
  EXPECT_CONTAINS(error_of(root / "large.csv", options), "sides of 1 to 8192 pixels");
}

TEST(Dataset, TheFingerprintTellsDataApart) {
  const TemporaryFolder root;
  write_faces(root);
  std::set<std::uint64_t> seen = {opened(root / "faces").fingerprint()};
  OpenOptions options = small();
  options.classes = {"with_mask", "without_mask"};
  seen.insert(opened(root / "faces", options).fingerprint());
  options = small();
  options.size.width += 1;
  seen.insert(opened(root / "faces", options).fingerprint());
  write_image(root / "faces/no_mask/c.png", 99);
  seen.insert(opened(root / "faces").fingerprint());
  fs::rename(root / "faces/no_mask/c.png", root / "faces/no_mask/d.png");
  seen.insert(opened(root / "faces").fingerprint());
  EXPECT_EQ(seen.size(), 5U);
  for (const char* group : {"x", "y"}) {
    write_text(root / "faces/grouped.csv",
               std::string("path,label,group\nno_mask/a.png,0,x\nno_mask/b.jpg,0,") + group +
                   "\nmask/id7/0.jpg,1,x\nmask/id8/0.png,1,x\n");
    seen.insert(opened(root / "faces/grouped.csv").fingerprint());
  }
  EXPECT_EQ(seen.size(), 7U);
  for (const char* part : {"train", "val"}) {
    write_text(root / "faces/split.csv",
               std::string("path,label,split\nno_mask/a.png,0,train\nno_mask/b.jpg,0,") + part +
                   "\nmask/id7/0.jpg,1,val\nmask/id8/0.png,1,train\n");
    seen.insert(opened(root / "faces/split.csv").fingerprint());
  }
  EXPECT_EQ(seen.size(), 9U);
}

TEST(RealPhotographs, OpenWithTheirGroupsAndSplit) {
  const char* shared = std::getenv("BAUTA_SHARED");
  const fs::path manifest =
      fs::path(shared != nullptr ? shared : BAUTA_SOURCE_DIR "/../shared") / "data/classify/groups.csv";
  if (!fs::exists(manifest)) GTEST_SKIP() << "shared data are absent (" << manifest << ")";
  OpenOptions options;
  options.threads = 2;
  options.strict = true;
  const Dataset data = opened(manifest.native(), options);
  EXPECT_EQ(data.size(), 3657);
  EXPECT_EQ(data.classes(), study_classes());
  EXPECT_FALSE(data.groups().empty());

  const Result<Split> split = split_dataset(data.labels(), data.groups(), data.classes(), 0.1, 1);
  ASSERT_TRUE(split.ok());
  int masked = 0;
  for (int i : split->val) masked += data.label(i);
  EXPECT_EQ(masked, 193);
  EXPECT_EQ(split->val.size(), 366U);
}

// Of runs that were started before, too: their configurations have it.
TEST(Dataset, TheFingerprintStaysWhatItWas) {
  Dataset::Contents contents;
  contents.size = {1, 1, 3};
  contents.classes = {"a", "b"};
  contents.names = {"x", "y"};
  contents.labels = {0, 1};
  const std::vector<std::uint8_t> pixels = {1, 2, 3, 4, 5, 6};
  contents.pixels = pixels;
  EXPECT_EQ(Dataset(contents).fingerprint(), 2869331846874056852U);
}

TEST(Dataset, OfOtherClassesIsRefusedBeforeAnImageIsDecoded) {
  const TemporaryFolder root;
  write_faces(root);
  OpenOptions options = small();
  options.progress = [](int, int) { ADD_FAILURE(); };
  options.classes = {"cat", "dog"};
  EXPECT_BEGINS(error_of(root / "faces", options), "class without_mask of the data set is not one of");
}

}  // namespace
}  // namespace bauta
