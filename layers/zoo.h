#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/model.h"

namespace bauta {

/// Names of the networks that come with bauta; the first is the default.
std::span<const char* const> zoo_names();

/// A network by its name: "study" is the published face-mask network on RGB images of 100x100. It ends in a
/// logit for each of `classes`, which are the study's unless given. Fails for other names, listing the known
/// ones.
Result<Model> zoo_model(const std::string& name,
                        std::vector<std::string> classes = {"without_mask", "with_mask"});

}  // namespace bauta
