#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// The text with A to Z in lower case.
std::string lower_case(std::string text);

/// The name in lower case, without spaces, -, _ and full stops: of names that differ by no more the same.
std::string letters_of(std::string_view name);

/// The classes of the study, in label order: without_mask, with_mask.
const std::vector<std::string>& study_classes();

/// The study's name for `name` where it is a common alias of one, whatever its case and separators: mask,
/// masked, With-Mask, AFDB_masked_face_dataset ... or no mask, unmasked, mask_off, AFDB_face_dataset ...;
/// `name` itself elsewhere.
std::string canonical_class(std::string_view name);

/// The classes of a data set whose labels are `names` (any order, repeats allowed): the study's two where
/// every name is an alias of one of them, otherwise the names themselves in bytewise order.
std::vector<std::string> classes_of(const std::vector<std::string>& names);

/// The index in `classes` of the label `name`: of the class of that very name, otherwise of the one that is
/// an alias of the same study class; -1 where there is none.
int class_index(std::string_view name, const std::vector<std::string>& classes);

/// For each of `classes`, those of the data set at `path`, its class_index in `wanted`; an error where it has
/// none.
Result<std::vector<std::int32_t>> map_classes(const std::vector<std::string>& classes,
                                              const std::vector<std::string>& wanted,
                                              const std::string& path);

}  // namespace bauta
