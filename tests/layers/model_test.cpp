#include "layers/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/parameters.h"
#include "layers/zoo.h"

namespace bauta {
namespace {

TEST(StudyModel, HasTheSizesOfTheStudy) {
  const auto sizes = zoo_model("study")->output_sizes();
  ASSERT_TRUE(sizes.ok()) << sizes.status().message();
  const std::vector<Size3> expected = {{100, 100, 32}, {100, 100, 32}, {50, 50, 32}, {50, 50, 64},
                                       {50, 50, 64},   {25, 25, 64},   {9, 9, 128},  {9, 9, 128},
                                       {4, 4, 128},    {1, 1, 1024},   {1, 1, 1024}, {1, 1, 2}};
  EXPECT_EQ(*sizes, expected);
}

// Table 1 of the study: 896, 18 K, 73 K, and 2 M in the linear layers.
TEST(StudyModel, HasTheParametersOfTheStudy) {
  const auto parameters = parameters_of(*zoo_model("study"));
  ASSERT_TRUE(parameters.ok());
  const char* names[] = {"convLayer1.0.weight",   "convLayer1.0.bias",   "convLayer2.0.weight",
                         "convLayer2.0.bias",     "convLayer3.0.weight", "convLayer3.0.bias",
                         "linearLayers.0.weight", "linearLayers.0.bias", "linearLayers.2.weight",
                         "linearLayers.2.bias"};
  const Index sizes[] = {864, 32, 18432, 64, 73728, 128, 2097152, 1024, 2048, 2};
  ASSERT_EQ(parameters->size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ((*parameters)[i].name, names[i]);
    EXPECT_EQ((*parameters)[i].size, sizes[i]);
    EXPECT_EQ((*parameters)[i].offset % 16, 0);
  }
}

TEST(Model, SurvivesItsJson) {
  Model all("all", {14, 15, 3}, {"a", "b"});
  all.conv2d("one", 4, 3, 2, 1).relu().maxpool(3, 1).linear("two", 2);
  for (const LayerKind kind : kLayerKinds) {
    const auto is_kind = [&](const Layer& layer) { return layer.kind == kind; };
    EXPECT_TRUE(std::ranges::any_of(all.layers(), is_kind)) << static_cast<int>(kind);
  }
  for (const Model& model : {*zoo_model("study"), all}) {
    const auto back = model_from_json(model.name(), graph_to_json(model), model.classes());
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(graph_to_json(*back), graph_to_json(model));
    EXPECT_EQ(back->input(), model.input());
  }
}

TEST(Model, RefusesLayersThatDoNotFit) {
  const auto message = [](const Model& model) { return model.output_sizes().status().message(); };
  EXPECT_EQ(message(Model("m", {4, 4, 3}, {"a", "b"}).conv2d("c", 8, 7).linear("l", 2)),
            "layer 0 'c' has a window larger than its input: check the network's description");
  EXPECT_EQ(message(Model("m", {2, 8, 3}, {"a", "b"}).conv2d("c", 8, 4).linear("l", 2)),
            "layer 0 'c' has a window larger than its input: check the network's description");
  EXPECT_EQ(message(Model("m", {20, 20, 3}, {"a", "b"}).maxpool(17).linear("l", 2)),
            "layer 0 has a window of more than 16: check the network's description");
  EXPECT_EQ(message(Model("m", {20, 20, 3}, {"a", "b"}).maxpool(16).linear("l", 2)), "");
  EXPECT_EQ(message(Model("m", {4, 4, 3}, {"a", "a"}).linear("l", 2)),
            "two of the network's classes are called 'a': give every class a name of its own");
  EXPECT_EQ(message(Model("m", {4, 4, 3}, {"a", "b"}).linear("l", 8).relu().relu().linear("l", 2)),
            "layer 0 'l' has the name of another layer: check the network's description");
  EXPECT_EQ(message(Model("m", {4, 4, 3}, {"a", "b"}).conv2d("c", 0, 3).linear("l", 2)),
            "layer 0 'c' has sizes that make no sense: check the network's description");
  EXPECT_EQ(
      message(Model("m", {4, 4, 3}, {"a", "b"}).linear("l", 3)),
      "the network does not end in one logit for each of its 2 classes: let its last layer be linear, of as "
      "many features as there are classes");
}

TEST(Model, RefusesDescriptionsThatAreNone) {
  for (const char* text : {"", "[]", "{}", R"({"input":[100,100],"layers":[]})",
                           R"({"input":[4,4,3,1],"layers":[{"kind":"linear","name":"l","out":2}]})",
                           R"({"input":[4,4,3],"layers":[{"kind":"linear","name":"l","out":4294967298}]})",
                           R"({"input":[100,100,3],"layers":[{"kind":"dropout"}]})",
                           R"({"input":[1e9,1e9,3],"layers":[{"kind":"relu"}]})",
                           R"({"input":[16384,16384,16384],"layers":[{"kind":"linear","name":"l","out":2}]})",
                           R"({"input":[4,4,3],"layers":[{"kind":"linear","name":"l","out":99999999999}]})",
                           R"({"input":[4,4,3],"layers":[{"kind":"maxpool","kernel":2,"stride":-1}]})"}) {
    EXPECT_FALSE(model_from_json("m", text, {"a", "b"}).ok()) << text;
  }
}

TEST(Zoo, NamesItsModels) {
  EXPECT_EQ(zoo_model("resnet").status().message(),
            "there is no model 'resnet' (--model): choose one of: study");
}

TEST(Zoo, ANetworkHasAnOutputForEachClass) {
  for (const std::vector<std::string>& classes : {std::vector<std::string>{"a", "b"}, {"a", "b", "c"}}) {
    const auto model = zoo_model("study", classes);
    ASSERT_TRUE(model.ok());
    EXPECT_EQ(model->classes(), classes);
    EXPECT_TRUE(model->output_sizes().ok());
    EXPECT_EQ(parameters_of(*model)->back().size,
              static_cast<Index>(classes.size()));  // the last layer's bias
  }
}

TEST(Parameters, PermuteBetweenFileAndMemory) {
  Model model("m", {2, 2, 3}, {"a", "b"});
  model.conv2d("c", 2, 2).linear("l", 2);
  const auto parameters = parameters_of(model);
  ASSERT_TRUE(parameters.ok()) << parameters.status().message();
  const Parameter& w = (*parameters)[0];  // in files [O=2, C=3, 2, 2], in memory [2, 2, C, O]
  std::vector<float> file(24);
  for (std::size_t i = 0; i < file.size(); ++i) file[i] = static_cast<float>(i);
  std::vector<float> memory(24);
  from_file_order(w, file, memory);
  const auto at = [&](int o, int c, int r, int s) {
    return memory[static_cast<std::size_t>(((Index{r} * 2 + s) * 3 + c) * 2 + o)];
  };
  for (int o = 0; o < 2; ++o) {
    for (int c = 0; c < 3; ++c) {
      for (int r = 0; r < 2; ++r) {
        for (int s = 0; s < 2; ++s)
          EXPECT_EQ(at(o, c, r, s), static_cast<float>(((o * 3 + c) * 2 + r) * 2 + s));
      }
    }
  }
  std::vector<float> back(24);
  to_file_order(w, memory, back);
  EXPECT_EQ(back, file);
}

// Kernels read them in whole vectors.
TEST(Parameters, BeginAtMultiplesOf64Bytes) {
  Model model("m", {5, 5, 3}, {"a", "b", "c"});
  model.conv2d("c", 5, 3).linear("l", 7).linear("m", 3);
  const auto parameters = parameters_of(model);
  ASSERT_TRUE(parameters.ok()) << parameters.status().message();
  Index end = 0;
  for (const Parameter& p : *parameters) {
    EXPECT_EQ(p.offset % 16, 0) << p.name;
    EXPECT_GE(p.offset, end) << p.name;
    end = p.offset + p.size;
  }
}

TEST(Parameters, StartWithinXavierAndPyTorchsBiasBounds) {
  const auto parameters = parameters_of(*zoo_model("study"));
  std::vector<float> values(static_cast<std::size_t>(parameters_size(*parameters)));
  initialize(*parameters, 1, values);
  const auto bound_of = [&](std::size_t i) {
    float largest = 0;
    const Parameter& p = (*parameters)[i];
    for (Index k = 0; k < p.size; ++k) {
      largest = std::max(largest, std::abs(values[static_cast<std::size_t>(p.offset + k)]));
    }
    return largest;
  };
  EXPECT_NEAR(bound_of(2), std::sqrt(6.0 / (32 * 9 + 64 * 9)), 1e-4);  // convLayer2.0.weight
  EXPECT_NEAR(bound_of(6), std::sqrt(6.0 / (2048 + 1024)), 1e-4);      // linearLayers.0.weight
  EXPECT_LE(bound_of(7), 1 / std::sqrt(2048.0));                       // linearLayers.0.bias
  EXPECT_GT(bound_of(7), 0.9 / std::sqrt(2048.0));

  std::vector<float> again(values.size());
  initialize(*parameters, 1, again);
  EXPECT_EQ(again, values);
  initialize(*parameters, 2, again);
  EXPECT_NE(again, values);
}

}  // namespace
}  // namespace bauta
