#include "engine/data/copies.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bauta {
namespace {

using Lines = std::vector<std::string>;

/// What is said of these images, of which image i has one byte, pixels[i].
Lines said_of(const Listing& listing, const std::vector<std::uint8_t>& pixels, bool to_train = true) {
  Copies copies(listing, to_train);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    copies.add(static_cast<int>(i), std::span(pixels).subspan(i, 1));
  Lines lines;
  copies.tell([&](std::string_view line) { lines.emplace_back(line); });
  return lines;
}

ListedImage image(const char* name, std::int32_t label, std::int32_t group = -1, Part part = Part::train) {
  return {.name = name, .file = name, .label = label, .group = group, .part = part};
}

TEST(Copies, OfOneClassMayBePartedByARandomSplit) {
  const Listing listing{{"x", "y"},
                        {image("a", 0), image("b", 1), image("c", 0), image("d", 1), image("e", 0)}};
  EXPECT_TRUE(said_of(listing, {1, 2, 3, 4, 5}).empty());
  EXPECT_EQ(
      said_of(listing, {1, 2, 1, 4, 5}),
      Lines{"1 image is a copy of another (c of a): what validates may have been trained on; take them out, "
            "or give copies a group in common"});
  EXPECT_EQ(
      said_of(listing, {1, 2, 1, 2, 1}),
      Lines{"3 images are copies of others (the first: c of a): what validates may have been trained on; "
            "take them out, or give copies a group in common"});
  EXPECT_TRUE(said_of(listing, {1, 2, 1, 2, 1}, /*to_train=*/false).empty());
}

TEST(Copies, OfOneGroupStayTogether) {
  const Listing listing{{"x"}, {image("a", 0, 3), image("b", 0, 3), image("c", 0, 4)}};
  EXPECT_TRUE(said_of(listing, {1, 1, 2}).empty());
  EXPECT_EQ(said_of(listing, {1, 1, 1}).size(), 1U);
}

TEST(Copies, OfTwoClassesHaveAWrongLabelWhateverTheyAreFor) {
  const Listing listing{{"x", "y"}, {image("a", 0, 3), image("b", 1, 3)}};
  for (bool to_train : {true, false}) {
    EXPECT_EQ(said_of(listing, {1, 1}, to_train),
              Lines{"1 image is a copy of one in another class (b of a): one of the two labels is wrong"});
  }
}

TEST(Copies, OfTwoPartsJudgeANetworkByWhatItHasSeen) {
  const Listing listing{
      {"x"},
      {image("a", 0), image("b", 0), image("c", 0, -1, Part::val), image("d", 0, -1, Part::test)},
      true};
  EXPECT_TRUE(said_of(listing, {1, 1, 2, 3}).empty());
  for (bool to_train : {true, false}) {
    EXPECT_EQ(
        said_of(listing, {1, 1, 2, 1}, to_train),
        Lines{"1 image is a copy of one in another part (d of a): a network is judged there by what it has "
              "seen"});
  }
}

TEST(Copies, NobodyNeedListen) {
  const Listing listing{{"x"}, {image("a", 0), image("b", 0)}};
  Copies copies(listing, true);
  const std::vector<std::uint8_t> pixels{1};
  copies.add(0, pixels);
  copies.add(1, pixels);
  copies.tell({});
}

}  // namespace
}  // namespace bauta
