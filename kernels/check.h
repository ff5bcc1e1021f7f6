#pragma once

#include <initializer_list>
#include <string>

#include "kernels/common.h"

namespace bauta {

struct NamedSize {
  const char* name;
  int value;
};

/// Fails unless every size is at least 1; names the op and the first size that is not.
inline Status check_sizes(const char* op, std::initializer_list<NamedSize> sizes) {
  for (const NamedSize& size : sizes) {
    if (size.value < 1) {
      return Status::error(std::string(op) + ": " + size.name + " is " + std::to_string(size.value), {},
                           "every size of a shape must be at least 1");
    }
  }
  return {};
}

/// Fails when the length of an array is negative; an empty one is nothing to do.
inline Status check_length(const char* op, Index size) {
  if (size >= 0) return {};
  return Status::error(std::string(op) + ": size is " + std::to_string(size), {}, "it must be at least 0");
}

/// Fails unless the shards of this process hold exactly `batch` samples and form one subtree.
inline Status check_shards(const char* op, const Shards& shards, int batch) {
  const bool subtree = (shards.count == 1 || shards.count == 2 || shards.count == 4 || shards.count == 8) &&
                       shards.first >= 0 && shards.first % shards.count == 0 &&
                       shards.first + shards.count <= Shards::kTotal;
  if (subtree && shards.batch() == batch) return {};
  return Status::error(std::string(op) + ": the shards do not hold a batch of " + std::to_string(batch), {},
                       "shards are 1, 2, 4 or 8 neighbours of the 8 that the global batch is cut into");
}

/// Fails unless a convolution's padding leaves each of its windows something of the input.
inline Status check_pad(const char* op, int pad, int kernel) {
  if (pad >= 0 && pad < kernel) return {};
  return Status::error(std::string(op) + ": pad is " + std::to_string(pad), {},
                       "it must be at least 0 and less than the kernel's " + std::to_string(kernel));
}

/// Fails when the last of `out` windows reaches beyond an input of `in`, padding included.
inline Status check_windows(const char* op, const NamedSize& out, Index in, int window, int stride) {
  if (Index{out.value - 1} * stride + window <= in) return {};
  return Status::error(std::string(op) + ": " + out.name + " is " + std::to_string(out.value), {},
                       "the last window would reach beyond the input, padding included: it can be at most "
                       "(in - window) / stride + 1");
}

/// Fails when the context's backend has no products in its precision.
inline Status check_precision(const char* op, const Context& context) {
  if (context.precision == Precision::fp32) return {};
  if (context.backend == Backend::cuda || context.backend == Backend::simt) return {};
  return Status::error(std::string(op) + ": the CPU computes in fp32 alone", "precision bf16",
                       "use precision fp32, or a GPU");
}

/// Fails when the context's workspace is smaller than `bytes`.
inline Status check_workspace(const char* op, const Context& context, std::size_t bytes) {
  if (context.workspace.size() >= bytes) return {};
  return Status::error(std::string(op) + ": the workspace holds " + std::to_string(context.workspace.size()) +
                           " bytes, " + std::to_string(bytes) + " are needed",
                       {}, "give the context what the op's workspace function asks for");
}

}  // namespace bauta
