#include "engine/io/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/io/file.h"
#include "engine/io/preprocess.h"
#include "engine/io/safetensors.h"

namespace bauta {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;  // NOLINT

const std::string kFixtures = BAUTA_SOURCE_DIR "/tests/fixtures/images/";

std::string contents(const std::string& name) {
  const Result<std::string> text = read_file(kFixtures + name, 1'000'000);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "";
}

Result<Image> decode(const std::string& file) {
  return decode_image(std::as_bytes(std::span(file)), "the file");
}

std::string fault(const std::string& file) { return decode(file).status().message(); }

bool same_bytes(std::span<const std::uint8_t> pixels, std::span<const std::byte> bytes) {
  return std::ranges::equal(std::as_bytes(pixels), bytes);
}

// `file` with the bytes at `at` replaced.
std::string with(std::string file, std::size_t at, const std::string& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

class Pillow : public testing::Test {
 protected:
  void SetUp() override {
    Result<Safetensors> file = Safetensors::open(kFixtures + "expected.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    expected_ = std::move(*file);
  }

  Safetensors expected_;
};

TEST_F(Pillow, DecodesTheSameBytes) {
  int files = 0;
  for (const TensorView& tensor : expected_.tensors()) {
    if (tensor.name.find('@') != std::string::npos) continue;
    const Result<Image> image = load_image(kFixtures + tensor.name);
    ASSERT_TRUE(image.ok()) << image.status().message();
    EXPECT_EQ((std::vector<std::int64_t>{image->height, image->width, 3}), tensor.shape) << tensor.name;
    EXPECT_TRUE(same_bytes(image->pixels, tensor.bytes)) << tensor.name;
    ++files;
  }
  EXPECT_GT(files, 30);
}

TEST_F(Pillow, ResizesToTheSameBytes) {
  int sizes = 0;
  for (const TensorView& tensor : expected_.tensors()) {
    const std::size_t at = tensor.name.find('@');
    if (at == std::string::npos) continue;
    std::vector<std::uint8_t> pixels(tensor.bytes.size());
    const auto height = static_cast<int>(tensor.shape[0]);
    const auto width = static_cast<int>(tensor.shape[1]);
    const Status status = load_network_input(kFixtures + tensor.name.substr(0, at), width, height, pixels);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(same_bytes(pixels, tensor.bytes)) << tensor.name;
    ++sizes;
  }
  EXPECT_GT(sizes, 10);
}

TEST(DecodeImage, RefusesWhatIsEmptyOrNoImage) {
  EXPECT_EQ(fault(""), "the file is empty (the file): replace or remove it");
  EXPECT_EQ(fault("plain text"),
            "this is no image that can be decoded (the file): give a JPEG, PNG, BMP, GIF, PNM or TGA file");
  EXPECT_FALSE(decode("\xFF\xD8\xFF").ok());
  EXPECT_FALSE(decode("GIF89a").ok());
  EXPECT_FALSE(decode("BM").ok());
  EXPECT_FALSE(decode("\x89PNG\r\n\x1a\n").ok());
}

TEST(DecodeImage, RefusesWhatIsCutShort) {
  // Of a JPEG, the marker that ends it and a few bytes of padding can be done without.
  const std::array<std::pair<const char*, std::size_t>, 6> files = {{{"colour420.jpg", 8},
                                                                     {"progressive.jpg", 8},
                                                                     {"interlaced.png", 0},
                                                                     {"palette.png", 0},
                                                                     {"colour.bmp", 0},
                                                                     {"colour.gif", 1}}};
  for (const auto& [name, spare] : files) {
    const std::string whole = contents(name);
    for (std::size_t size = 0; size + spare < whole.size(); ++size) {
      EXPECT_FALSE(decode(whole.substr(0, size)).ok()) << name << " of " << size << " bytes";
    }
  }
}

// Between a TGA's header and its pixels lies an identification, as long as the first byte says.
TEST(DecodeImage, CountsATgasIdentification) {
  std::string whole = contents("colour.tga");
  const auto without = decode(whole);
  ASSERT_TRUE(without.ok()) << without.status().message();
  ASSERT_EQ(whole[0], '\0');
  whole = with(whole, 0, "\x05").insert(18, "words");
  const auto pixels = decode(whole);
  ASSERT_TRUE(pixels.ok()) << pixels.status().message();
  EXPECT_EQ(pixels->pixels, without->pixels);
  const std::size_t size = 18 + 5 + without->pixels.size();
  ASSERT_LE(size, whole.size());
  EXPECT_TRUE(decode(whole.substr(0, size)).ok());
  EXPECT_THAT(fault(whole.substr(0, size - 3)), HasSubstr("ends before its last row"));
}

TEST(DecodeImage, RefusesDamagedPngs) {
  const std::string whole = contents("colour.png");
  EXPECT_THAT(fault(with(whole, 60, "x")), HasSubstr("wrong CRC"));
  EXPECT_THAT(fault(with(whole, 8, std::string(4, '\xFF'))), HasSubstr("cut short"));
  // A second palette, and a thousandth, would take 65 times its bytes of memory.
  const std::string coloured = contents("palette.png");
  const std::size_t begin = coloured.find("PLTE") - 4;
  const std::string palette = coloured.substr(begin, coloured.find("IDAT") - 4 - begin);
  EXPECT_THAT(fault(std::string(coloured).insert(begin, palette)), HasSubstr("two palettes"));
}

TEST(DecodeImage, RefusesPicturesTooLargeBeforeItAllocatesThem) {
  const std::string big = "30000x30000 pixels, more than 100000000";
  const std::string jpeg = contents("colour444.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  EXPECT_THAT(fault(with(jpeg, frame + 5, "\x75\x30\x75\x30")), HasSubstr(big));
  // Within the limit, but more than a file of this length can hold.
  EXPECT_THAT(fault(with(jpeg, frame + 5, "\x20\x00\x20\x00"s)), HasSubstr("too little data for its size"));
  const std::string thirty_thousand("\x30\x75\0\0\x30\x75\0\0", 8);
  EXPECT_THAT(fault(with(contents("colour.bmp"), 18, thirty_thousand)), HasSubstr(big));
  EXPECT_THAT(fault(with(contents("colour.gif"), 6, "\x30\x75\x30\x75")), HasSubstr(big));
}

TEST(DecodeImage, RefusesKindsThatItWouldDecodeOtherwiseThanPillow) {
  EXPECT_THAT(fault(with(contents("colour.bmp"), 28, "\x10")), HasSubstr("this kind of BMP"));
  EXPECT_THAT(fault(with(contents("colour.gif"), 6, "\x12")), HasSubstr("does not cover the picture"));
}

TEST(LoadImage, NamesTheFile) {
  EXPECT_THAT(load_image(kFixtures + "missing.jpg").status().message(), HasSubstr("missing.jpg"));
  EXPECT_THAT(load_image(kFixtures).status().message(), HasSubstr("this is not a file"));
  std::array<std::uint8_t, 12> pixels{};
  EXPECT_THAT(load_network_input(kFixtures + "expected.safetensors", 2, 2, pixels).message(),
              HasSubstr("expected.safetensors"));
}

TEST(ResizeBilinear, RefusesSpansThatDoNotFit) {
  std::array<std::uint8_t, 12> pixels{};
  std::array<std::uint8_t, 27> more{};
  EXPECT_TRUE(resize_bilinear(pixels, 2, 2, more, 3, 3).ok());
  EXPECT_FALSE(resize_bilinear(pixels, 2, 3, more, 3, 3).ok());
  EXPECT_FALSE(resize_bilinear(pixels, 2, 2, more, 2, 3).ok());
  EXPECT_FALSE(resize_bilinear({}, 0, 2, more, 3, 3).ok());
  EXPECT_FALSE(resize_bilinear(pixels, -2, -2, more, 3, 3).ok());
}

}  // namespace
}  // namespace bauta
