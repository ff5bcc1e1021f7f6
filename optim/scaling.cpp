#include "optim/scaling.h"

#include <algorithm>

namespace bauta {

double sum_seconds(const Link& link, int ranks, double bytes) {
  if (ranks == 1) return 0;
  const double hops = 2.0 * (ranks - 1);
  return hops * link.latency + hops / ranks * bytes / link.bandwidth;
}

Link link_of(int ranks, double hop, double whole, double bytes) {
  const double hops = 2.0 * (ranks - 1);
  return {hop / hops, hops / ranks * bytes / (whole - hop)};
}

double step_seconds(const RankStep& step, const Link& link, int ranks) {
  return step.compute + std::max(sum_seconds(link, ranks, step.gradient_bytes) - step.window,
                                 sum_seconds(link, ranks, step.last_bytes));
}

}  // namespace bauta
