#pragma once

namespace bauta {

/// How the devices of ranks are linked, as a sum of an array over all of them sees it.
struct Link {
  double latency = 0;    ///< seconds of one hop from rank to rank
  double bandwidth = 0;  ///< bytes per second that a rank sends while it receives as many
};

/// Seconds of a sum of `bytes` over all ranks: 2(N-1)·latency + 2(N-1)/N·bytes/bandwidth. That is a ring's;
/// for two ranks it is any algorithm's that sends each number once. 0 for one rank.
double sum_seconds(const Link&, int ranks, double bytes);

/// The link by which sums take what was measured: `hop` seconds for one of next to nothing, `whole` for one
/// of `bytes`. At least two ranks.
Link link_of(int ranks, double hop, double whole, double bytes);

/// One rank's part of a training step.
struct RankStep {
  double compute = 0;  ///< seconds by itself, without sums
  double window = 0;   ///< seconds of these in which sums can be under way
  double gradient_bytes = 0;
  double last_bytes = 0;  ///< of them, those that are final only when nothing is left to compute
};

/// Seconds of a step of N ranks: compute + max(sum(gradients) - window, sum(last)). What the window holds is
/// hidden behind computing, but for the last gradients.
double step_seconds(const RankStep&, const Link&, int ranks);

}  // namespace bauta
