#include "layers/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/zoo.h"
#include "tests/engine/temporary_folder.h"

namespace bauta::testing {
namespace {

Model small_model() {
  Model model("small", {4, 4, 3}, {"cats", "dogs"});
  model.conv2d("conv", 2, 3, 1, 1).relu().maxpool(2).linear("head", 2);
  return model;
}

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() : parameters_(*parameters_of(small_model())), values_(size()) {
    initialize(parameters_, 3, values_);
  }

  std::size_t size() const { return static_cast<std::size_t>(parameters_size(parameters_)); }
  std::vector<TensorView> views() {
    tensors_.add("", parameters_, values_);
    return tensors_.views();
  }
  std::string save(const std::vector<TensorView>& views, const Metadata& metadata) {
    std::string path = folder_ / "w.safetensors";
    EXPECT_TRUE(write_safetensors(path, views, metadata).ok());
    return path;
  }

  TemporaryFolder folder_;
  std::vector<Parameter> parameters_;
  std::vector<float> values_;
  ParameterTensors tensors_;
};

TEST_F(WeightsTest, AFileAloneIsEnoughToGetTheNetworkBack) {
  const auto weights = open_weights(save(views(), model_metadata(small_model())));
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_TRUE(weights->has_metadata);
  EXPECT_EQ(weights->model.name(), "small");
  EXPECT_EQ(weights->model.classes(), (std::vector<std::string>{"cats", "dogs"}));
  EXPECT_EQ(graph_to_json(weights->model), graph_to_json(small_model()));
  std::vector<float> loaded(size());
  ASSERT_TRUE(load_parameters(weights->file, "", parameters_, loaded).ok());
  EXPECT_EQ(loaded, values_);
}

TEST_F(WeightsTest, ABareStateDictIsTakenForTheStudys) {
  const Model study = *zoo_model("study");
  const auto parameters = *parameters_of(study);
  std::vector<float> values(static_cast<std::size_t>(parameters_size(parameters)));
  initialize(parameters, 1, values);
  ParameterTensors tensors;
  tensors.add("", parameters, values);
  std::vector<TensorView> with_loss = tensors.views();
  const float loss_weights[] = {1, 2};
  with_loss.push_back({"crossEntropyLoss.weight", DType::f32, {2}, std::as_bytes(std::span(loss_weights))});
  const auto weights = open_weights(save(with_loss, {}));
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_FALSE(weights->has_metadata);
  EXPECT_EQ(weights->model.classes(), study.classes());
}

TEST_F(WeightsTest, NamesTheTensorThatIsMissing) {
  auto without = views();
  without.pop_back();
  const std::string path = save(without, model_metadata(small_model()));
  EXPECT_EQ(open_weights(path).status().message(),
            "tensor head.bias is missing (" + path +
                "): these are not weights of the model 'small', give a file of that model's weights");
}

TEST_F(WeightsTest, NamesTheTensorOfAnotherShape) {
  auto changed = views();
  changed[2].shape = {8, 2};
  const std::string path = save(changed, model_metadata(small_model()));
  EXPECT_EQ(open_weights(path).status().message(),
            "tensor head.weight has the shape [8,2], not [2,8] (" + path +
                "): these are not weights of the model 'small', give a file of that model's weights");
}

TEST_F(WeightsTest, NamesTheTensorOfAnotherTypeAndTheOneThatBelongsToNoLayer) {
  auto changed = views();
  changed[3].dtype = DType::i32;
  EXPECT_EQ(
      open_weights(save(changed, model_metadata(small_model()))).status().message(),
      "tensor head.bias is I32, not F32 (" + (folder_ / "w.safetensors") + "): save it as 32-bit floats");
  changed = ParameterTensors(tensors_).views();
  changed.push_back({"extra", DType::f32, {2}, changed[3].bytes});
  EXPECT_FALSE(open_weights(save(changed, model_metadata(small_model()))).ok());
}

// Metadata as a file has them, but for one.
Metadata with(const std::string& key, const std::string& value) {
  Metadata metadata = model_metadata(small_model());
  for (auto& [name, text] : metadata) {
    if (name == key) text = value;
  }
  return metadata;
}

TEST_F(WeightsTest, AGraphThatMakesNoSenseIsNamedWithItsFile) {
  const std::vector<TensorView> tensors = views();
  const auto fault = [&](const std::string& graph) {
    return open_weights(save(tensors, with("graph", graph))).status().message();
  };
  const std::string path = folder_ / "w.safetensors";
  EXPECT_EQ(fault(R"({"input":[4,4,3],"layers":[{"kind":"linear","name":"head","out":-2}]})"),
            "layer 0 'head' has sizes that make no sense (" + path + "): check the network's description");
  EXPECT_EQ(fault("{"), "the graph is not JSON (" + path + "): use a file that bauta wrote");
}

TEST_F(WeightsTest, AGraphThatClaimsMoreThanTheFileHoldsIsRefused) {
  const char* const graph =
      R"({"input":[4,4,3],"layers":[{"kind":"linear","name":"head","out":1000000},{"kind":"linear","name":"b","out":2}]})";
  EXPECT_FALSE(open_weights(save(views(), with("graph", graph))).ok());
}

TEST_F(WeightsTest, RefusesAnotherPreprocessing) {
  const std::string path = save(views(), with("preprocessing", "rgb, nearest"));
  EXPECT_THAT(open_weights(path).status().message(), ::testing::HasSubstr("rgb, nearest"));
}

TEST_F(WeightsTest, RefusesMetadataThatSayNothing) {
  const Metadata metadata = model_metadata(small_model());
  const std::vector<TensorView> tensors = views();
  for (const char* key : {"model", "classes", "preprocessing"}) {
    Metadata without = metadata;
    std::erase_if(without, [&](const auto& entry) { return entry.first == key; });
    EXPECT_FALSE(open_weights(save(tensors, without)).ok()) << key;
  }
  for (const char* classes : {"", "{}", "[1,2]", "[\"a\"", "[\"a\",null]"}) {
    EXPECT_FALSE(open_weights(save(tensors, with("classes", classes))).ok()) << classes;
  }
}

// The optimiser's state in a checkpoint is looked at here alone.
TEST_F(WeightsTest, LoadsNoTensorThatIsNotTheParameters) {
  const std::vector<TensorView> sound = views();
  const auto fault = [&](TensorView first) {
    std::vector<TensorView> tensors = sound;
    first.name = tensors.front().name;
    tensors.front() = first;
    const auto file = Safetensors::open(save(tensors, {}));
    EXPECT_TRUE(file.ok());
    std::vector<float> values(size());
    return load_parameters(*file, "", parameters_, values).message();
  };
  EXPECT_EQ(fault(sound.front()), "");
  const std::vector<float> more(sound.front().bytes.size() / 4 + 3);
  EXPECT_THAT(fault({"", DType::f32, {std::ssize(more)}, std::as_bytes(std::span(more))}),
              ::testing::HasSubstr("has the shape [57], not [2,3,3,3]"));
  EXPECT_THAT(fault({"", DType::i32, sound.front().shape, sound.front().bytes}),
              ::testing::HasSubstr("is I32, not F32"));
}

}  // namespace
}  // namespace bauta::testing
