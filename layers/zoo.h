#pragma once

#include <span>
#include <string>

#include "layers/model.h"

namespace bauta {

/// Names of the networks that come with bauta; the first is the default.
std::span<const char* const> zoo_names();

/// A network by its name: "study" is the published face-mask network on RGB images of 100x100, with the
/// classes without_mask and with_mask. Fails for other names, listing the known ones.
Result<Model> zoo_model(const std::string& name);

}  // namespace bauta
