#pragma once

#include "apps/bauta/machine.h"
#include "apps/bauta/terminal.h"

namespace bauta {

/// What both reports of `bench kernels`, counts and times, are: the step that `launches` make up.
/// {"device", "kernels", "precision", "batch", "launches"}; more may be added.
Json kernel_report(const Machine&, int batch, Json launches);

}  // namespace bauta
