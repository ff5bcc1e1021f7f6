#include "engine/data/listing.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/data/class_names.h"
#include "tests/engine/temporary_folder.h"

namespace bauta {
namespace {

using Names = std::vector<std::string>;

/// Makes an empty file, and the folders around it.
void touch(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path);
}

struct Listed {
  Listing listing;
  std::string error;
  Names warnings;
};

template <class List>
Listed listed(List&& list) {
  Listed result;
  Result<Listing> listing = list([&](std::string_view line) { result.warnings.emplace_back(line); });
  if (listing.ok()) result.listing = *listing;
  result.error = listing.status().message();
  return result;
}

Listed folder(const std::string& path) {
  return listed([&](const Warn& warn) { return list_folder(path, warn); });
}

Listed manifest(std::string_view text) {
  return listed([&](const Warn& warn) { return list_manifest(text, "/sets/m.csv", warn); });
}

Names names_of(const Listing& listing) {
  Names names;
  for (const ListedImage& image : listing.images) names.push_back(image.name);
  return names;
}

std::vector<int> labels_of(const Listing& listing) {
  std::vector<int> labels;
  for (const ListedImage& image : listing.images) labels.push_back(image.label);
  return labels;
}

TEST(ClassNames, AliasesBecomeTheStudysClasses) {
  for (const char* name : {"with_mask", "WithMask", "Mask", "masked", "mask on", "mask_on",
                           "AFDB_masked_face_dataset", "with-mask", "with.mask", "WEARING_MASK"}) {
    EXPECT_EQ(canonical_class(name), "with_mask") << name;
  }
  for (const char* name : {"without_mask", "no_mask", "no mask", "No-Mask", "unmasked", "mask_off", "NonMask",
                           "AFDB_face_dataset", "not masked"}) {
    EXPECT_EQ(canonical_class(name), "without_mask") << name;
  }
  EXPECT_EQ(canonical_class("mask_worn_incorrectly"), "mask_worn_incorrectly");
}

TEST(ClassNames, OtherSetsAreAlphabetical) {
  EXPECT_EQ(classes_of({"mask", "no_mask"}), study_classes());
  EXPECT_EQ(classes_of({"dog", "cat", "dog"}), (Names{"cat", "dog"}));
  EXPECT_EQ(classes_of({"with_mask", "without_mask", "half"}), (Names{"half", "with_mask", "without_mask"}));
  EXPECT_TRUE(classes_of({}).empty());
}

TEST(ClassNames, MapToThoseOfANetwork) {
  const auto mapped = [](const Names& classes, const Names& wanted) {
    return *map_classes(classes, wanted, "set");
  };
  EXPECT_EQ(mapped(study_classes(), {"Mask", "half", "no mask"}), (std::vector<std::int32_t>{2, 0}));
  EXPECT_EQ(mapped({"mask", "with_mask", "x"}, {"x", "with_mask", "mask"}),
            (std::vector<std::int32_t>{2, 1, 0}));
  EXPECT_EQ(
      map_classes({"dog", "cow"}, {"dog", "cat"}, "set").status().message(),
      "class cow of the data set is not one of the network's: dog, cat (set): rename it, or use weights "
      "that were "
      "trained on these classes");
}

TEST(ListFolder, OrdersByClassThenPathBytewise) {
  const TemporaryFolder root;
  for (const char* file :
       {"mask/b.jpg", "mask/B.PNG", "mask/deep/er/a.jpeg", "no mask/z.bmp", "no mask/\xC3\xA9.gif"}) {
    touch(root / file);
  }
  const Listed result = folder(root / "");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.listing.classes, study_classes());
  EXPECT_EQ(names_of(result.listing), (Names{"no mask/z.bmp", "no mask/\xC3\xA9.gif", "mask/B.PNG",
                                             "mask/b.jpg", "mask/deep/er/a.jpeg"}));
  EXPECT_EQ(labels_of(result.listing), (std::vector<int>{0, 0, 1, 1, 1}));
  EXPECT_TRUE(std::filesystem::exists(result.listing.images[4].file));
  EXPECT_TRUE(result.warnings.empty());
}

TEST(ListFolder, ReadsTheRmfdLayout) {
  const TemporaryFolder root;
  touch(root / "AFDB_masked_face_dataset/id2/0.jpg");
  touch(root / "AFDB_masked_face_dataset/id10/0.jpg");
  touch(root / "AFDB_face_dataset/id3/0.jpg");
  const Listed result = folder(root / "");
  EXPECT_EQ(result.listing.classes, study_classes());
  EXPECT_EQ(names_of(result.listing),
            (Names{"AFDB_face_dataset/id3/0.jpg", "AFDB_masked_face_dataset/id10/0.jpg",
                   "AFDB_masked_face_dataset/id2/0.jpg"}));
}

TEST(ListFolder, SaysWhatItIgnoresUnlessHidden) {
  const TemporaryFolder root;
  for (const char* file : {"cat/a.jpg", "cat/notes.txt", "dog/b.jpg", "readme.md", "cat/.x.jpg",
                           "cat/.old/y.jpg", ".git/c.jpg"}) {
    touch(root / file);
  }
  const Listed result = folder(root / "");
  EXPECT_EQ(names_of(result.listing), (Names{"cat/a.jpg", "dog/b.jpg"}));
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0],
            "2 files were ignored: by name not JPEG, PNG, BMP, GIF, TGA, PPM or PGM, or in no class's folder "
            "(the first: " +
                (root / "cat/notes.txt") + ")");
}

TEST(ListFolder, SaysThatItIgnoresOneFile) {
  const TemporaryFolder root;
  for (const char* file : {"cat/a.jpg", "dog/b.jpg", "readme.md"}) touch(root / file);
  const Listed result = folder(root / "");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0].substr(0, 20), "1 file was ignored: ");
}

using PartsOf = std::vector<Part>;
PartsOf parts_of(const Listing& listing) {
  PartsOf parts;
  for (const ListedImage& image : listing.images) parts.push_back(image.part);
  return parts;
}

TEST(PartNamed, KnowsCommonNamesInAnyCase) {
  for (const char* name : {"train", "Training", "TRAIN"}) EXPECT_EQ(part_named(name), Part::train);
  for (const char* name : {"val", "Valid", "validation", "dev"}) EXPECT_EQ(part_named(name), Part::val);
  for (const char* name : {"test", "Testing"}) EXPECT_EQ(part_named(name), Part::test);
  for (const char* name : {"", "trains", "with_mask", "1"}) EXPECT_EQ(part_named(name), std::nullopt);
  for (Part part : {Part::train, Part::val, Part::test}) EXPECT_EQ(part_named(name_of(part)), part);
}

TEST(ListFolder, OfPartsComesSplit) {
  const TemporaryFolder root;
  for (const char* file : {"Train/WithMask/b.jpg", "Train/WithoutMask/a.jpg", "Validation/WithMask/a.jpg",
                           "Validation/WithoutMask/a.jpg", "Test/WithMask/c.jpg"}) {
    touch(root / file);
  }
  const Listed result = folder(root / "");
  EXPECT_EQ(result.error, "");
  EXPECT_TRUE(result.listing.is_split);
  EXPECT_EQ(result.listing.classes, study_classes());
  EXPECT_EQ(names_of(result.listing),
            (Names{"Train/WithoutMask/a.jpg", "Validation/WithoutMask/a.jpg", "Test/WithMask/c.jpg",
                   "Train/WithMask/b.jpg", "Validation/WithMask/a.jpg"}));
  EXPECT_EQ(labels_of(result.listing), (std::vector<int>{0, 0, 1, 1, 1}));
  EXPECT_EQ(parts_of(result.listing), (PartsOf{Part::train, Part::val, Part::test, Part::train, Part::val}));
  EXPECT_TRUE(result.warnings.empty());
}

TEST(ListFolder, RefusesAFolderThatIsNoPartBesideParts) {
  const TemporaryFolder root;
  for (const char* file : {"train/cat/a.jpg", "val/cat/a.jpg", "labels/a.txt"}) touch(root / file);
  EXPECT_EQ(folder(root / "").error, "train is a part of a data set, and labels beside it is none (" +
                                         (root / "") + "): take one of them out, or rename it");
}

TEST(ListFolder, OneFolderThatIsCalledAsAPartIsAClass) {
  const TemporaryFolder root;
  for (const char* file : {"train/a.jpg", "car/a.jpg"}) touch(root / file);
  const Listed result = folder(root / "");
  EXPECT_FALSE(result.listing.is_split);
  EXPECT_EQ(result.listing.classes, (Names{"car", "train"}));
}

TEST(ListFolder, RefusesPartsWithinClasses) {
  const TemporaryFolder root;
  for (const char* file : {"cat/train/a.jpg", "cat/val/a.jpg", "dog/train/a.jpg"}) touch(root / file);
  EXPECT_EQ(folder(root / "").error,
            "the folders of classes hold parts of the data set, such as cat/train (" + (root / "") +
                "): make it the other way round, such as train/with_mask");
  touch(root / "dog/b.jpg");
  EXPECT_EQ(folder(root / "").error, "");
}

TEST(ListFolder, RefusesALinkThatLeadsBack) {
  const TemporaryFolder root;
  touch(root / "cat/a.jpg");
  std::filesystem::create_directory_symlink("..", root / "cat/loop");
  EXPECT_EQ(folder(root / "").error,
            "the link leads back to a folder around it (" + (root / "cat/loop") + "): take it out");
}

TEST(ListFolder, RefusesLinksThatLeadBackByTurns) {
  const TemporaryFolder root;
  for (const char* file : {"cat/one/a.jpg", "cat/two/b.jpg"}) touch(root / file);
  std::filesystem::create_directory_symlink("../two", root / "cat/one/there");
  EXPECT_EQ(folder(root / "").error, "");
  std::filesystem::create_directory_symlink("../one", root / "cat/two/back");
  EXPECT_NE(folder(root / "").error.find("nested more than 16 deep"), std::string::npos);
}

TEST(ListFolder, SaysThatAFolderCannotBeRead) {
  EXPECT_NE(folder("/nonexistent").error.find("(/nonexistent)"), std::string::npos);
}

Names paths_of(const std::vector<FoundImage>& images) {
  Names paths;
  for (const FoundImage& image : images) paths.push_back(image.path);
  return paths;
}

TEST(ImagesIn, AreThoseOfAFolderAtAnyDepth) {
  const TemporaryFolder root;
  for (const char* file : {"b.jpg", "deep/er/a.PNG", "notes.txt", ".x.jpg", ".git/c.jpg"}) touch(root / file);
  Names warnings;
  const auto found = images_in(root / "", [&](std::string_view line) { warnings.emplace_back(line); });
  EXPECT_EQ(paths_of(found), (Names{root / "b.jpg", root / "deep/er/a.PNG"}));
  for (const FoundImage& image : found) EXPECT_TRUE(image.status.ok());
  EXPECT_EQ(warnings,
            Names{"1 file was ignored: by name not JPEG, PNG, BMP, GIF, TGA, PPM or PGM (the first: " +
                  (root / "notes.txt") + ")"});
}

TEST(ImagesIn, FoldersThatCannotBeLookedIntoAreAmongThem) {
  const auto missing = images_in("/nonexistent", {});
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_NE(missing[0].status.message().find("(/nonexistent)"), std::string::npos);

  const TemporaryFolder root;
  for (const char* file : {"a.jpg", "z.jpg"}) touch(root / file);
  std::filesystem::create_directory_symlink(".", root / "loop");
  const auto found = images_in(root / "", {});
  EXPECT_EQ(paths_of(found), (Names{root / "a.jpg", root / "loop", root / "z.jpg"}));
  EXPECT_TRUE(found[0].status.ok());
  EXPECT_NE(found[1].status.message().find("leads back"), std::string::npos);
  EXPECT_TRUE(found[2].status.ok());
}

TEST(ListManifest, KeepsTheOrderOfItsRows) {
  const Listed result =
      manifest("path,label,group\nb.jpg,mask,p\n/abs/a.jpg,no mask,\n\"c,d.jpg\",Mask,q\ne.jpg,mask,p\n");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.listing.classes, study_classes());
  EXPECT_EQ(names_of(result.listing), (Names{"b.jpg", "/abs/a.jpg", "c,d.jpg", "e.jpg"}));
  EXPECT_EQ(labels_of(result.listing), (std::vector<int>{1, 0, 1, 1}));
  EXPECT_EQ(result.listing.images[0].file, "/sets/b.jpg");
  EXPECT_EQ(result.listing.images[1].file, "/abs/a.jpg");
  std::vector<int> groups;
  for (const ListedImage& image : result.listing.images) groups.push_back(image.group);
  EXPECT_EQ(groups, (std::vector<int>{0, -1, 1, 0}));
}

TEST(ListManifest, NumbersAreTheStudysClassesOrNames) {
  const Listed study = manifest("path,label\na,1\nb,0\n");
  EXPECT_EQ(study.listing.classes, study_classes());
  EXPECT_EQ(labels_of(study.listing), (std::vector<int>{1, 0}));
  EXPECT_EQ(study.warnings, Names{"labels 0 and 1 are taken for without_mask and with_mask (/sets/m.csv)"});

  const Listed digits = manifest("path,label\na,10\nb,2\nc,7\n");
  EXPECT_EQ(digits.listing.classes, (Names{"2", "7", "10"}));
  EXPECT_EQ(labels_of(digits.listing), (std::vector<int>{2, 0, 1}));
}

TEST(ListManifest, ComesSplitWhereAColumnSaysSo) {
  const Listed result = manifest("path,label,split\na,dog,train\nb,cat,Valid\nc,cow,test\nd,cat,training\n");
  EXPECT_EQ(result.error, "");
  EXPECT_TRUE(result.listing.is_split);
  EXPECT_EQ(parts_of(result.listing), (PartsOf{Part::train, Part::val, Part::test, Part::train}));
  EXPECT_TRUE(result.warnings.empty());

  const Listed both = manifest("path,label,split,group\na,x,val,p\nb,y,train,\n");
  EXPECT_EQ(parts_of(both.listing), (PartsOf{Part::val, Part::train}));
  EXPECT_EQ(both.listing.images[0].group, 0);
  EXPECT_EQ(both.listing.images[1].group, -1);
  EXPECT_FALSE(manifest("path,label,group\na,x,val\nb,y,train\n").listing.is_split);
}

TEST(ListManifest, WarnsOfGroupsInMoreThanOnePart) {
  EXPECT_EQ(manifest("path,label,group,split\na,x,p,train\nb,y,q,val\nc,x,p,val\nd,y,q,train\ne,x,,val\n"
                     "f,x,,train\n")
                .warnings,
            Names{"a group is in more than one part: 2 rows, the first of p (/sets/m.csv:4)"});
}

TEST(ListManifest, ErrorsNameTheLine) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "the header line '' is not path,label[,group][,split] (/sets/m.csv:1)"},
      {"file,class\n", "the header line 'file,class' is not path,label[,group][,split] (/sets/m.csv:1)"},
      {"path\n", "the header line 'path' is not path,label[,group]"},
      {"path,label,size\n", "the header line 'path,label,size' is not path,label[,group]"},
      {"path,label,split,group,split\n", "the header line 'path,label,split,group,split' is not path"},
      {"path,label,split\na,x,train\nb,x,\n", "the split '' is no part of a data set (/sets/m.csv:3)"},
      {"path,label,split\na,x,extra\n", "the split 'extra' is no part of a data set (/sets/m.csv:2)"},
      {"path,label\na,x\n\nb\n", "there is 1 field where the header has 2 (/sets/m.csv:4)"},
      {"path,label\na,x,3\n", "there are 3 fields where the header has 2 (/sets/m.csv:2)"},
      {"path,label\na,x\n,y\n", "the path or the label is empty (/sets/m.csv:3)"},
      {"path,label\na,x\nb,1\n", "the label '1' is a number while those before are names (/sets/m.csv:3)"},
      {"path,label\na,1\nb,x\n", "the label 'x' is no number while those before are (/sets/m.csv:3)"},
      {"path,label\na,\n", "the path or the label is empty (/sets/m.csv:2)"},
      {"path,label\n,x\n", "the path or the label is empty (/sets/m.csv:2)"},
      {"path,label\na,1\nb,-1\n", "the label '-1' is no number while those before are (/sets/m.csv:3)"},
      {"path,label\na,\"x\n", "a quote is never closed (/sets/m.csv:2)"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_EQ(manifest(text).error.substr(0, std::string(error).size()), error);
  }
}

TEST(LookAlikes, AreWarnedOf) {
  Names warnings;
  const Warn warn = [&](std::string_view line) { warnings.emplace_back(line); };
  warn_of_look_alikes({"cat", "dog", "cats"}, "x.csv", warn);
  EXPECT_TRUE(warnings.empty());
  warn_of_look_alikes({"Big-Cat", "big cat ", "dog"}, "x.csv", warn);
  EXPECT_EQ(warnings,
            Names{"'Big-Cat' and 'big cat ' are two classes: if they are one, give them one name (x.csv)"});
  warn_of_look_alikes({"a", "A"}, "x.csv", {});
}

TEST(CheckClasses, ToTrainThereAreTwoClassesOfTwoImages) {
  const auto error = [](const Names& classes, const std::vector<std::int32_t>& labels) {
    return check_classes(classes, labels, /*to_train=*/true, "set").message();
  };
  EXPECT_EQ(error({"a", "b"}, {0, 1, 1, 0}), "");
  EXPECT_EQ(error({}, {}).substr(0, 26), "there are no images (set):");
  EXPECT_EQ(error({"a", "b", "a"}, {0, 0, 1, 1, 2, 2}),
            "two classes are called a (set): give every class a name of its own");
  EXPECT_EQ(error({"a"}, {0, 0}).substr(0, 33), "there is only one class, a (set):");
  EXPECT_EQ(error({"a", "b"}, {0, 1, 0}).substr(0, 47), "class b has only one image that can be read (se");
  EXPECT_EQ(error({"a", "b"}, {1, 1}).substr(0, 41), "class a has no image that can be read (se");
}

TEST(CheckClasses, ToJudgeANetworkOneImageWillDo) {
  EXPECT_TRUE(check_classes({"a", "b"}, {1}, /*to_train=*/false, "set").ok());
  EXPECT_TRUE(check_classes({"a"}, {0}, /*to_train=*/false, "set").ok());
  EXPECT_FALSE(check_classes({"a", "b"}, {}, /*to_train=*/false, "set").ok());
}

TEST(ListFolder, OneNameOfAPartWithinClassesIsAFolderLikeOthers) {
  const TemporaryFolder root;
  for (const char* file : {"cat/train/a.jpg", "dog/train/a.jpg"}) touch(root / file);
  EXPECT_EQ(folder(root / "").error, "");
}

TEST(ListFolder, Takes16FoldersWithinAClass) {
  const TemporaryFolder root;
  std::string deep = "cat/";
  for (int i = 0; i < 16; ++i) deep += "d/";
  touch(root / deep + "a.jpg");
  EXPECT_EQ(folder(root / "").error, "");
  touch(root / deep + "d/a.jpg");
  EXPECT_NE(folder(root / "").error, "");
}

TEST(ImagesIn, AreBytewise) {
  const TemporaryFolder root;
  Names wanted;
  for (char c = 'a'; c <= 'z'; ++c) wanted.push_back(root / (std::string(1, c) + ".jpg"));
  for (std::size_t i = 0; i < wanted.size(); ++i) touch(wanted[i * 7 % wanted.size()]);
  EXPECT_EQ(paths_of(images_in(root / "", {})), wanted);
}

TEST(ListFolder, SaysThatItIgnoresAnImageThatIsInAPartAndInNoClass) {
  const TemporaryFolder root;
  for (const char* file : {"train/cat/a.jpg", "val/cat/a.jpg", "train/loose.jpg"}) touch(root / file);
  const Listed result = folder(root / "");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_NE(result.warnings[0].find("(the first: " + (root / "train/loose.jpg") + ")"), std::string::npos);
}

TEST(ListFolder, ClassesWithinPartsMayBeCalledAsPartsAre) {
  const TemporaryFolder root;
  for (const char* file : {"train/dev/a.jpg", "train/test/a.jpg", "val/dev/a.jpg", "val/test/a.jpg"})
    touch(root / file);
  EXPECT_EQ(folder(root / "").error, "");
}

}  // namespace
}  // namespace bauta
