#pragma once

#include <string>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "engine/data/split.h"
#include "kernels/common.h"
#include "layers/model.h"
#include "optim/train_options.h"

namespace bauta {

/// Everything that a run's result depends on, as one line of JSON: the options, the network's graph and
/// classes, the data set's fingerprint, and what computes. Threads and the like, on which no bit depends, are
/// left out.
std::string run_config(const Model&, const Dataset&, const TrainOptions&, const Context&);

/// The options that a run's result depends on, and the name of its network.
struct RunOptions {
  TrainOptions train;
  std::string model;
  Precision precision = Precision::fp32;
};

/// Those with which the run that `kept` describes was started; what its result does not depend on is as it is
/// by default. Fails where `kept` is no run's. `path` is where it was read.
Result<RunOptions> options_of_run(const std::string& kept, const std::string& path);

/// Fails, naming the option and both values, where the run that `kept` describes cannot go on as `wanted`:
/// everything must be equal but what computes, since checkpoints are fp32 whatever does, and `epochs`, which
/// may grow, though not under a cosine schedule, which it would bend. Fails as well where `kept` is no run's.
/// `path` is where it was read.
Status check_resumable(const std::string& kept, const std::string& wanted, const std::string& path);

/// What has computed the run that `kept` describes, where it is not what goes on as `wanted`, whose bits are
/// others: "bauta 0.1.0, cpu avx512, fp32"; else empty.
std::string other_computer(const std::string& kept, const std::string& wanted);

/// The parts of `data` that the run which `kept` describes trains and validates on. Fails where these are not
/// the data that it was started with, and where `kept` is no run's. `path` is where it was read.
Result<Split> split_of_run(const std::string& kept, const Dataset& data, const std::string& path);

/// Fails, naming the first rank that differs from rank 0, what differs and both values, unless all ranks have
/// the same run_config(). Collective, with the same result on all ranks.
Status check_same_on_all_ranks(Communicator&, const std::string& config_json);

}  // namespace bauta
