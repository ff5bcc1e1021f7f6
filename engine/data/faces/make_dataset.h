#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "kernels/status.h"

namespace bauta {

struct MakeOptions {
  std::string out;      ///< folder to make; it must not exist or be empty
  int with_mask = 500;  ///< faces of each class, at least 0
  int without_mask = 500;
  std::uint64_t seed = 0;
  int threads = 1;  ///< at least 1; the files do not depend on it
  /// May be empty; called now and then, by the calling thread.
  std::function<void(int done, int total)> progress;
  /// Once true, the rest is not rendered; may be null.
  const std::atomic<bool>* stop = nullptr;
};

/// Renders the built-in data set in RMFD's layout: OUT/AFDB_masked_face_dataset/ID/NUMBER.jpg and
/// OUT/AFDB_face_dataset/ID/NUMBER.jpg, 50 faces to an ID. A larger set of the same seed begins with the
/// smaller one. Everything is written to OUT.tmp, which becomes OUT when it is whole; a failure, or a
/// stop, which is one, removes it and leaves OUT as it was.
Status make_dataset(const MakeOptions& options);

}  // namespace bauta
