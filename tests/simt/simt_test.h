#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/ptx.h"

/// What the tests of simt stand on: launches with a log.
namespace bauta::simt::testing {

/// The line of a test's source file (relative to the source tree) that ends in `// <marker>`.
inline unsigned line_of(const std::string& file, const std::string& marker) {
  std::ifstream in(std::string(BAUTA_SOURCE_DIR) + "/" + file);
  std::string text;
  for (unsigned line = 1; std::getline(in, text); ++line) {
    if (text.ends_with("// " + marker)) return line;
  }
  ADD_FAILURE() << file << " has no line marked // " << marker;
  return 0;
}

inline Context context() {
  Context context;
  context.backend = Backend::simt;
  return context;
}

/// A kernel's launch and what it left.
struct Run {
  Status status;
  Log log;

  const LaunchCounts& counts() const { return log.launches.front(); }
};

/// Runs one launch on the calling thread.
template <class... Parameters, class... Arguments>
Run run(const Launch& shape, void (*kernel)(Parameters...), const Arguments&... arguments) {
  Run result;
  Context logged = context();
  logged.simt_log = &result.log;
  result.status = launch(logged, shape, kernel, arguments...);
  return result;
}

template <class T>
Pointer<T> global(std::vector<T>& values) {
  return simt::global(values.data(), static_cast<Index>(values.size()));
}

/// 0, 1, 2 ...
template <class T>
std::vector<T> counting(int size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) values[static_cast<std::size_t>(i)] = static_cast<T>(i);
  return values;
}

}  // namespace bauta::simt::testing
