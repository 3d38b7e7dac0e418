#include "planner/train_config.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/fields.h"
#include "config/load_config.h"

namespace colossus::planner {
namespace {

constexpr int64_t kMostShards = int64_t{1} << 20;  // config.cc

// Shards are a power of two that divides the micro-batches of a step: the least
// that gives every replica one, or as many as there can be.
int64_t shards_of(int64_t micro_batches, int64_t replicas) {
  int64_t shards = 1;
  while (shards < replicas && shards < kMostShards &&
         micro_batches % (2 * shards) == 0) {
    shards *= 2;
  }
  return shards;
}

std::vector<std::string> not_yet(const Layout& layout) {
  std::vector<std::string> list;
  const auto note = [&](bool is_missing, std::string words) {
    if (is_missing) list.push_back(std::move(words));
  };
  note(layout.tensor > 1, fmt::format("tensor = {}", layout.tensor));
  note(layout.pipeline > 1, fmt::format("pipeline = {}", layout.pipeline));
  note(layout.context > 1, fmt::format("context = {}", layout.context));
  note(layout.expert > 1, fmt::format("expert = {}", layout.expert));
  note(layout.recomputation != "none",
       fmt::format("recomputation = {}", layout.recomputation));
  note(layout.zero_stage > 2,
       fmt::format("zero_stage = {}", layout.zero_stage));
  return list;
}

std::string layout_comment(const PlannedLayout& planned) {
  Layout layout = planned.layout;
  std::string text = fmt::format(
      "# The layout of `colossus plan`, {} GPUs, {:.4g} s a step. `train` runs "
      "data\n# parallel shards, and reads none of it:\n#\n#   [parallel]\n",
      planned.num_devices, planned.cost.seconds);
  for (const Field& field : fields_of(layout)) {
    text += fmt::format("#   {} = {}\n", field.name, config::value_text(field));
  }
  return text + "\n";
}

}  // namespace

TrainConfig train_config(const Plan& plan) {
  const PlanRequest& request = plan.request;
  if (!request.model_source.ends_with(".toml")) {
    throw user_error(
        "--train-config wants a model that `train` can read, a "
        "TOML config; {} is none",
        request.model_source);
  }
  if (plan.layouts.empty()) throw user_error("--train-config: no layout fits");
  const PlannedLayout& planned = plan.layouts.front();
  const Layout& layout = planned.layout;
  config::Config config = config::load_config(request.model_source, {}).config;
  const int64_t micro_batches =
      request.global_batch_sequences / layout.micro_batch_size;
  config.run.seq_len = request.seq_len;
  config.run.micro_batch_size = layout.micro_batch_size;
  config.run.num_shards = shards_of(micro_batches, layout.data);
  config.run.micro_batches_per_shard = micro_batches / config.run.num_shards;
  if (request.num_tokens > 0) {
    config.run.steps = static_cast<int64_t>(
        std::ceil(request.num_tokens / request.tokens_per_step()));
  }
  validate(config);
  return {layout_comment(planned) + config::write_toml(fields_of(config)),
          not_yet(layout)};
}

}  // namespace colossus::planner
