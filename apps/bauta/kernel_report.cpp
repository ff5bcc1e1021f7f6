#include "apps/bauta/kernel_report.h"

#include <algorithm>
#include <utility>

namespace bauta {

Roof roof_of(const Work& work, bool tensor, const Ceilings& ceilings) {
  const double again = std::max(0.0, work.moved - work.floor);
  const double moving = work.floor / ceilings.memory + again / ceilings.cache;
  const double computing = work.multiply_adds / (tensor ? ceilings.products : ceilings.multiply_adds);
  if (computing > moving) return {computing, tensor ? "tensor cores" : "fma"};
  return {moving, 2 * work.floor / ceilings.memory > moving ? "memory" : "cache"};
}

OrderedJson kernel_report(const Machine& machine, int batch, OrderedJson launches) {
  const Context& context = machine.context();
  return {{"device", machine.description()},
          {"kernels", kernels_name(context.vendor == nullptr ? Kernels::hand : Kernels::vendor)},
          {"precision", precision_name(context.precision)},
          {"batch", batch},
          {"launches", std::move(launches)}};
}

}  // namespace bauta
