#include "optim/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace bauta {

// A name that is none of these is read as the first.
NLOHMANN_JSON_SERIALIZE_ENUM(Augment, {{Augment::none, "none"},
                                       {Augment::light, "light"},
                                       {Augment::strong, "strong"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Schedule, {{Schedule::constant, "constant"}, {Schedule::cosine, "cosine"}})
NLOHMANN_JSON_SERIALIZE_ENUM(OptimizerKind, {{OptimizerKind::adam, "adam"}, {OptimizerKind::sgd, "sgd"}})

namespace {

using OrderedJson = nlohmann::ordered_json;

// What computes: the bits depend on it, and whether a run can go on does not.
constexpr std::array kComputer = {"version", "device", "precision"};

constexpr const char* kOwnParts = "own";  // "val" where the data set says itself what validates

OrderedJson class_weights_json(const ClassWeights& weights) {
  if (weights.kind == ClassWeights::Kind::balanced) return "auto";
  if (weights.kind == ClassWeights::Kind::none) return "none";
  return weights.values;
}

ClassWeights class_weights_from(const OrderedJson& json) {
  if (json == "auto") return {ClassWeights::Kind::balanced, {}};
  if (json == "none") return {ClassWeights::Kind::none, {}};
  return {ClassWeights::Kind::given, json.get<std::vector<float>>()};
}

/// The number as people write it: 1e-05, where the float's exact value is 9.99999974737875e-06.
double shortest(float value) { return std::stod(fmt::format("{}", value)); }

OrderedJson val_json(const Dataset& data, const TrainOptions& o) {
  if (has_own_validation(data) && o.val != 0) return kOwnParts;
  return o.val.value_or(kValFraction);
}

OrderedJson optimizer_json(const OptimizerOptions& o) {
  if (o.kind == OptimizerKind::sgd) return {{"name", o.kind}, {"momentum", shortest(o.momentum)}};
  return {{"name", o.kind},
          {"beta1", shortest(o.beta1)},
          {"beta2", shortest(o.beta2)},
          {"epsilon", shortest(o.epsilon)}};
}

OptimizerOptions optimizer_from(const OrderedJson& json) {
  OptimizerOptions o;
  o.kind = json.at("name").get<OptimizerKind>();
  o.beta1 = json.value("beta1", o.beta1);
  o.beta2 = json.value("beta2", o.beta2);
  o.epsilon = json.value("epsilon", o.epsilon);
  o.momentum = json.value("momentum", o.momentum);
  return o;
}

std::string device_text(const Context& context) {
  if (context.backend == Backend::cuda) return context.vendor == nullptr ? "cuda" : "cuda, kernels vendor";
  return context.backend == Backend::simt ? "simt" : std::string("cpu ") + isa_name(context.isa);
}

bool is_of_computer(const std::string& key) { return std::ranges::find(kComputer, key) != kComputer.end(); }

std::string fingerprint_text(const Dataset& data) { return fmt::format("{:016x}", data.fingerprint()); }

Status refuse(const std::string& key, const OrderedJson& kept, const OrderedJson& wanted,
              const std::string& path) {
  if (key == "data") {
    return Status::usage("the data are not those that the run was started with", path,
                         "put back the images that were there, or start another run with another --out");
  }
  if (key == "epochs" && kept.is_number_integer() && kept.get<int>() < wanted.get<int>()) {
    return Status::usage(
        fmt::format("the run was started with {} epochs, from which its cosine schedule follows",
                    kept.dump()),
        path, "resume with as many, or start another run with another --out");
  }
  return Status::usage(fmt::format("the run was started with {} {}, not {}", key, kept.dump(), wanted.dump()),
                       path, "resume with the first value, or start another run with another --out");
}

Status no_run(const std::string& path) {
  return Status::error("this does not say how a run was started", path,
                       "name the folder of a run, or another --out for a new one");
}

// What to do where a rank has another value than rank 0.
const char* remedy(const std::string& key, const std::string& value, const std::string& first) {
  if (key == "data") return "give every host the same images, best as one pack (bauta data pack)";
  if (key == "version") return "install the same bauta on every host";
  const auto is_cpu = [](const std::string& device) { return device.starts_with("\"cpu "); };
  if (key == "device" && is_cpu(value) && is_cpu(first)) return "set BAUTA_ISA to one that every host has";
  if (key == "device") return "start every rank with the same --device";
  return "start every rank with the same command line";
}

}  // namespace

std::string run_config(const Model& model, const Dataset& data, const TrainOptions& o,
                       const Context& context) {
  OrderedJson config{{"model", model.name()},
                     {"graph", graph_to_json(model)},
                     {"classes", model.classes()},
                     {"data", fingerprint_text(data)},
                     {"epochs", o.epochs},
                     {"batch", o.batch},
                     {"lr", shortest(o.lr)},
                     {"val", val_json(data, o)},
                     {"seed", o.seed},
                     {"class-weights", class_weights_json(o.class_weights)},
                     {"augment", o.augment},
                     {"schedule", o.schedule},
                     {"optimizer", optimizer_json(o.optimizer)},
                     {"shuffle", o.shuffle},
                     {"init", o.init},
                     {"max-steps", o.max_steps},
                     {"precision", precision_name(context.precision)},
                     {"device", device_text(context)},
                     {"version", BAUTA_VERSION}};
  return config.dump();
}

Result<RunOptions> options_of_run(const std::string& kept_text, const std::string& path) {
  try {
    const OrderedJson kept = OrderedJson::parse(kept_text);
    RunOptions run;
    run.model = kept.at("model");
    const bool bf16 = kept.at("precision") == precision_name(Precision::bf16);
    run.precision = bf16 ? Precision::bf16 : Precision::fp32;
    TrainOptions& o = run.train;
    o.epochs = kept.at("epochs");
    o.batch = kept.at("batch");
    o.lr = kept.at("lr");
    const OrderedJson& val = kept.at("val");
    if (val != kOwnParts && val != kValFraction) o.val = val.get<double>();
    o.seed = kept.at("seed");
    o.class_weights = class_weights_from(kept.at("class-weights"));
    o.augment = kept.at("augment");
    o.schedule = kept.at("schedule");
    o.optimizer = optimizer_from(kept.at("optimizer"));
    o.shuffle = kept.at("shuffle");
    o.init = kept.at("init");
    o.max_steps = kept.at("max-steps");
    return run;
  } catch (const OrderedJson::exception&) {
    return no_run(path);
  }
}

Status check_same_on_all_ranks(Communicator& communicator, const std::string& config_json) {
  const auto all = communicator.all_gather(config_json);
  if (!all.ok()) return all.status();
  const OrderedJson first = OrderedJson::parse(all->front());
  for (int rank = 1; rank < communicator.size(); ++rank) {
    const OrderedJson other = OrderedJson::parse((*all)[static_cast<std::size_t>(rank)]);
    for (const auto& [key, value] : first.items()) {
      const auto found = other.find(key);
      if (found != other.end() && *found == value) continue;
      const std::string theirs = found == other.end() ? "none" : found->dump();
      return Status::error(fmt::format("{} has the {} {}, rank 0 has {}", communicator.name_of(rank), key,
                                       theirs, value.dump()),
                           {}, remedy(key, theirs, value.dump()));
    }
  }
  return {};
}

Status check_resumable(const std::string& kept_text, const std::string& wanted_text,
                       const std::string& path) {
  const OrderedJson kept = OrderedJson::parse(kept_text, nullptr, /*allow_exceptions=*/false);
  const OrderedJson wanted = OrderedJson::parse(wanted_text);
  if (!kept.is_object() || !kept.contains("graph")) return no_run(path);
  for (const auto& [key, value] : wanted.items()) {
    const auto found = kept.find(key);
    const OrderedJson before = found == kept.end() ? OrderedJson() : *found;
    if (before == value || is_of_computer(key)) continue;
    const bool grows = key == "epochs" && before.is_number_integer() && before.get<int>() < value.get<int>();
    if (!grows || wanted.at("schedule") == "cosine") return refuse(key, before, value, path);
  }
  return {};
}

std::string other_computer(const std::string& kept_text, const std::string& wanted_text) {
  const OrderedJson kept = OrderedJson::parse(kept_text, nullptr, /*allow_exceptions=*/false);
  const OrderedJson wanted = OrderedJson::parse(wanted_text);
  const auto word = [](const OrderedJson& config, const char* key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_string() ? found->get<std::string>() : "?";
  };
  if (!kept.is_object()) return {};
  const auto same = [&](const char* key) { return word(kept, key) == word(wanted, key); };
  if (std::ranges::all_of(kComputer, same)) return {};
  return fmt::format("bauta {}, {}, {}", word(kept, "version"), word(kept, "device"),
                     word(kept, "precision"));
}

Result<Split> split_of_run(const std::string& kept_text, const Dataset& data, const std::string& path) {
  const OrderedJson kept = OrderedJson::parse(kept_text, nullptr, /*allow_exceptions=*/false);
  if (!kept.is_object()) return no_run(path);
  const OrderedJson fingerprint = kept.value("data", OrderedJson());
  const OrderedJson val = kept.value("val", OrderedJson());
  const OrderedJson seed = kept.value("seed", OrderedJson());
  if (!fingerprint.is_string() || !(val.is_number() || val == kOwnParts) || !seed.is_number_unsigned())
    return no_run(path);
  if (fingerprint != fingerprint_text(data)) {
    return Status::usage("the data are not those that the run was started with", path,
                         "use the images that it was trained on, all of them and as they were");
  }
  const auto fraction = val.is_number() ? std::optional(val.get<double>()) : std::nullopt;
  return split_dataset(data, fraction, seed.get<std::uint64_t>());
}

}  // namespace bauta
