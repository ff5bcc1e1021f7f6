#pragma once

#include "apps/bauta/machine.h"

namespace bauta {

/// Times every launch of one training step of the study's network on the machine's GPU, and the kernels that
/// measure what the GPU can do at most, and prints the one beside the other. The exit code is the program's.
Result<int> time_kernels(const Machine&, int batch, bool json);

}  // namespace bauta
