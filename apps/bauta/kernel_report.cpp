#include "apps/bauta/kernel_report.h"

namespace bauta {

Json kernel_report(const Machine& machine, int batch, Json launches) {
  const Context& context = machine.context();
  return {{"device", machine.description()},
          {"kernels", kernels_name(context.vendor == nullptr ? Kernels::hand : Kernels::vendor)},
          {"precision", precision_name(context.precision)},
          {"batch", batch},
          {"launches", std::move(launches)}};
}

}  // namespace bauta
