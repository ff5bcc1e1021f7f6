#include "engine/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "tests/engine/python.h"
#include "tests/engine/temporary_folder.h"

namespace bauta {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::array<float, 6> kWeights = {1, -2, 3.5F, 0, 1e-30F, 6};
const std::array<std::int64_t, 1> kStep = {123456789012};
const std::array<std::uint8_t, 5> kBytes = {1, 2, 3, 4, 255};

std::vector<TensorView> example() {
  return {{"layer.weight", DType::f32, {2, 3}, std::as_bytes(std::span(kWeights))},
          {"step", DType::i64, {}, std::as_bytes(std::span(kStep))},
          {"nothing", DType::f16, {4, 0}, {}},
          {"bytes", DType::u8, {5}, std::as_bytes(std::span(kBytes))}};
}

std::string contents(const std::string& path) { return *read_file(path, 10'000'000); }

// A file with this header, whose length is `claimed` when that is given, and data.
std::string make_file(const std::string& header, std::size_t data_bytes, std::uint64_t claimed = 0) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    text[i] = static_cast<char>((claimed == 0 ? header.size() : claimed) >> (8 * i));
  }
  return text + header + std::string(data_bytes, 'x');
}

class SafetensorsFile : public testing::Test {
 protected:
  // The error of opening a file with these contents.
  std::string fault(const std::string& contents) {
    std::ofstream(path_) << contents;
    const Result<Safetensors> file = Safetensors::open(path_);
    EXPECT_FALSE(file.ok());
    EXPECT_THAT(file.status().message(), HasSubstr(path_));
    return file.status().message();
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "a.safetensors";
};

TEST_F(SafetensorsFile, ComesBackAsWritten) {
  const Metadata metadata = {{"format", "pt"}, {"classes", "[\"a\",\"\xC3\xA9\"]"}, {"empty", ""}};
  ASSERT_TRUE(write_safetensors(path_, example(), metadata).ok());
  Result<Safetensors> opened = Safetensors::open(path_);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const Safetensors file = std::move(*opened);
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(*file.metadata("format"), "pt");
  EXPECT_EQ(file.metadata("missing"), nullptr);
  EXPECT_EQ(file.find("missing"), nullptr);
  const std::vector<TensorView> written = example();
  ASSERT_EQ(file.tensors().size(), written.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    const TensorView& wanted = written[i];
    const TensorView& tensor = file.tensors()[i];
    EXPECT_EQ(tensor.name, wanted.name);
    EXPECT_EQ(tensor.dtype, wanted.dtype);
    EXPECT_EQ(tensor.shape, wanted.shape);
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, wanted.bytes));
    EXPECT_EQ(file.find(wanted.name), &tensor);
  }
}

TEST_F(SafetensorsFile, IsTheSameBytesEachTimeAndAlignsItsData) {
  ASSERT_TRUE(write_safetensors(path_, example(), {{"k", "v"}}).ok());
  ASSERT_TRUE(write_safetensors(folder_ / "b", example(), {{"k", "v"}}).ok());
  EXPECT_EQ(contents(path_), contents(folder_ / "b"));
  const Result<Safetensors> file = Safetensors::open(path_);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file->tensors().front().bytes.data()) % 64, 0U);
}

TEST_F(SafetensorsFile, WithoutTensorsIsSound) {
  ASSERT_TRUE(write_safetensors(path_, {}, {}).ok());
  EXPECT_TRUE(Safetensors::open(path_)->tensors().empty());
}

TEST_F(SafetensorsFile, TruncatedAnywhereIsRefused) {
  ASSERT_TRUE(write_safetensors(path_, example(), {{"k", "v"}}).ok());
  const std::string whole = contents(path_);
  for (std::size_t size = 0; size < whole.size(); ++size) fault(whole.substr(0, size));
  EXPECT_THAT(fault(whole.substr(0, whole.size() - 1)), HasSubstr("the file is truncated: tensor 'bytes'"));
  EXPECT_THAT(fault(whole + "x"), HasSubstr("1 bytes follow the last tensor"));
  EXPECT_THAT(fault(""), HasSubstr("the file is empty"));
}

TEST_F(SafetensorsFile, AHeaderLargerThanTheFileIsRefused) {
  EXPECT_THAT(fault(make_file("{}", 0, 3)), HasSubstr("its header claims 3 bytes, the file has 10"));
  EXPECT_THAT(fault(make_file("{}", 0, ~0ULL)), HasSubstr("claims 18446744073709551615 bytes"));
  EXPECT_THAT(fault(make_file("[]", 0)), HasSubstr("does not begin with '{'"));
}

TEST_F(SafetensorsFile, EveryDamageToTheHeaderIsNamed) {
  const auto with = [](const std::string& entries) { return make_file("{" + entries + "}", 8); };
  const auto entry = [](const std::string& name, const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return '"' + name + R"(":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  const std::string sound = entry("a", "\"F32\"", "[2]", "[0,8]");
  ASSERT_TRUE(write_file(path_, with(sound)).ok());
  ASSERT_TRUE(Safetensors::open(path_).ok());

  EXPECT_THAT(fault(with(sound + "," + sound)), HasSubstr("the key \"a\" twice"));
  EXPECT_THAT(fault(with(R"("a":1)")), HasSubstr("tensor 'a': it does not have exactly"));
  EXPECT_THAT(fault(with(entry("a", "\"F33\"", "[2]", "[0,8]"))), HasSubstr("tensor 'a': its dtype 'F33'"));
  EXPECT_THAT(fault(with(entry("a", "4", "[2]", "[0,8]"))), HasSubstr("dtype is missing"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[-2]", "[0,8]"))), HasSubstr("its shape is not a list"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[2.0]", "[0,8]"))), HasSubstr("its shape is not a list"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[3]", "[0,8]"))),
              HasSubstr("shape [3] of F32 does not take the 8"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[4294967296,4294967296]", "[0,8]"))),
              HasSubstr("does not take"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[4611686018427387906]", "[0,8]"))),  // times 4: 8, cut off
              HasSubstr("does not take"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[2]", "[8,0]"))), HasSubstr("not a range"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[2]", "[0,4,8]"))), HasSubstr("not a range"));
  EXPECT_THAT(fault(with(entry("a", "\"F32\"", "[1]", "[4,8]"))), HasSubstr("a hole before tensor 'a'"));
  EXPECT_THAT(fault(with(sound + "," + entry("b", "\"F32\"", "[1]", "[4,8]"))),
              HasSubstr("'b' overlaps another"));
  EXPECT_THAT(fault(with(sound + R"(,"__metadata__":{"k":1})")), HasSubstr("__metadata__: the value of 'k'"));
  EXPECT_THAT(fault(with(sound + R"(,"__metadata__":[])")), HasSubstr("__metadata__: it is not an object"));
}

TEST_F(SafetensorsFile, IsNotWrittenFromTensorsThatDoNotFitTheirShape) {
  std::vector<TensorView> tensors = example();
  tensors[0].shape = {7};
  EXPECT_THAT(write_safetensors(path_, tensors, {}).message(),
              HasSubstr("tensor 'layer.weight' has 24 bytes"));
  tensors = example();
  tensors[1].name = "bytes";
  EXPECT_THAT(write_safetensors(path_, tensors, {}).message(), HasSubstr("'bytes' occurs twice"));
  tensors[1].name = "__metadata__";
  EXPECT_THAT(write_safetensors(path_, tensors, {}).message(), HasSubstr("bad name"));
  EXPECT_THAT(write_safetensors(path_, {}, {{"k", "\xFF"}}).message(), HasSubstr("'k' is not UTF-8"));
  EXPECT_THAT(write_safetensors(path_, {}, {{"k", ""}, {"k", ""}}).message(), HasSubstr("'k' occurs twice"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SafetensorsFile, CanGrowRowByRow) {
  {
    Result<SafetensorsWriter> writer = SafetensorsWriter::create(path_, "images", DType::u8, {1, 5});
    ASSERT_TRUE(writer.ok());
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(writer->append_rows(std::as_bytes(std::span(kBytes))).ok());
    EXPECT_FALSE(writer->append_rows(std::as_bytes(std::span(kBytes)).first(3)).ok());
    EXPECT_FALSE(std::filesystem::exists(path_));
    ASSERT_TRUE(writer->finish(example(), {{"k", "v"}}).ok());
  }
  const Result<Safetensors> file = Safetensors::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensors().size(), 5U);
  EXPECT_THAT(file->tensors()[0].shape, ElementsAre(7, 1, 5));
  EXPECT_EQ(file->tensors()[0].bytes[34], std::byte{255});
  EXPECT_TRUE(std::ranges::equal(file->find("bytes")->bytes, std::as_bytes(std::span(kBytes))));
  EXPECT_EQ(*file->metadata("k"), "v");
}

TEST_F(SafetensorsFile, SaysWhenItsHeaderHasNoRoomAndCanBeFinishedWithLess) {
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(path_, "images", DType::u8, {5}, 128);
  ASSERT_TRUE(writer.ok());
  EXPECT_THAT(writer->finish({}, {{"k", std::string(200, 'v')}}).message(),
              HasSubstr("there is room for 128"));
  EXPECT_TRUE(writer->finish({}, {}).ok());
  EXPECT_THAT(Safetensors::open(path_)->tensors()[0].shape, ElementsAre(0, 5));
}

TEST_F(SafetensorsFile, AbandonedWhileGrowingLeavesNothing) {
  ASSERT_TRUE(SafetensorsWriter::create(path_, "images", DType::u8, {5}).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
}

TEST_F(SafetensorsFile, IsExchangedWithTheSafetensorsPackage) {
  if (!python_has("safetensors, numpy")) GTEST_SKIP() << python_lacks("safetensors, numpy");
  const std::array<double, 4> data = {1, -2.5, 1e300, 0};
  std::vector<TensorView> tensors;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::i64, DType::i32, DType::i16, DType::i8,
                            DType::u8, DType::boolean}) {
    const std::vector<std::int64_t> shape = {1, static_cast<std::int64_t>(8 / dtype_size(dtype)), 3};
    tensors.push_back(
        {"tensor." + std::string(dtype_name(dtype)), dtype, shape, std::as_bytes(std::span(data)).first(24)});
  }
  tensors.push_back({"scalar", DType::f64, {}, std::as_bytes(std::span(data)).last(8)});
  tensors.push_back({"nothing", DType::f32, {0, 3}, {}});
  const Metadata metadata = {{"format", "pt"}, {"quotes", "\"\\\n\xC3\xA9"}};
  ASSERT_TRUE(write_safetensors(path_, tensors, metadata).ok());

  const std::string copy = folder_ / "copy.safetensors";
  ASSERT_TRUE(run_python("tests/engine/safetensors_copy.py", path_ + " " + copy));
  const Result<Safetensors> file = Safetensors::open(copy);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensors().size(), tensors.size());
  for (const TensorView& tensor : tensors) {
    const TensorView* copied = file->find(tensor.name);
    ASSERT_NE(copied, nullptr) << tensor.name;
    EXPECT_EQ(copied->dtype, tensor.dtype);
    EXPECT_EQ(copied->shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(copied->bytes, tensor.bytes));
  }
  EXPECT_THAT(file->metadata(), testing::UnorderedElementsAreArray(metadata));
}

TEST_F(SafetensorsFile, WithAPaddedHeaderIsReadByTheSafetensorsPackage) {
  if (!python_has("safetensors, numpy")) GTEST_SKIP() << python_lacks("safetensors, numpy");
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(path_, "images", DType::u8, {5});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->append_rows(std::as_bytes(std::span(kBytes))).ok());
  ASSERT_TRUE(writer->finish({}, {{"k", "v"}}).ok());
  const std::string copy = folder_ / "copy.safetensors";
  ASSERT_TRUE(run_python("tests/engine/safetensors_copy.py", path_ + " " + copy));
  EXPECT_TRUE(
      std::ranges::equal(Safetensors::open(copy)->find("images")->bytes, std::as_bytes(std::span(kBytes))));
}

}  // namespace
}  // namespace bauta
