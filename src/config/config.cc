#include "config/config.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "config/rules.h"
#include "config/toml.h"

namespace colossus::config {
namespace {

constexpr int64_t kMaxSteps = int64_t{1} << 40;
constexpr int64_t kMaxShards = int64_t{1} << 20;
constexpr int64_t kMaxThreads = 1024;

void require_one_of(const std::string& key, const std::string& value,
                    const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string list;
  for (const std::string& choice : choices) {
    list += (list.empty() ? "" : ", ") + choice;
  }
  throw user_error("{} = '{}' must be one of {}{}", key, value, list,
                   did_you_mean(value, choices));
}

void check_run(const RunConfig& run) {
  require(!run.dir.empty(), "run.dir is empty: name the run's folder");
  require_range("run.seed", run.seed, 0, INT64_MAX);
  require_range("run.steps", run.steps, 1, kMaxSteps);
  require_range("run.seq_len", run.seq_len, 1, kMaxIndex);
  require_range("run.num_shards", run.num_shards, 1, kMaxShards);
  require(is_power_of_two(run.num_shards),
          "run.num_shards = {} must be a power of two", run.num_shards);
  require_range("run.micro_batch_size", run.micro_batch_size, 1, kMaxIndex);
  require_range("run.micro_batches_per_shard", run.micro_batches_per_shard, 1,
                kMaxIndex);
  require_range("run.val_every", run.val_every, 0, kMaxSteps);
  require_range("run.val_sequences", run.val_sequences, 0, kMaxIndex);
  require_range("run.sample_every", run.sample_every, 0, kMaxSteps);
  require_range("run.sample_tokens", run.sample_tokens, 1, kMaxIndex);
  require_range("run.checkpoint_every", run.checkpoint_every, 0, kMaxSteps);
  require_range("run.keep_last", run.keep_last, 1, kMaxIndex);
  require_range("run.keep_every", run.keep_every, 0, kMaxSteps);
  require(run.audit_fraction >= 0 && run.audit_fraction <= 1,
          "run.audit_fraction = {} must be from 0 to 1", run.audit_fraction);
}

// Rows of one call are numbered in 32 bits (with the experts' copies of them);
// tokens of the whole run in 64.
void check_row_counts(const Config& config) {
  const RunConfig& run = config.run;
  const int64_t together =
      config.kernels.shards_together == 0 ? 1 : config.kernels.shards_together;
  const int64_t copies =
      config.model.has_experts() ? config.model.num_selected_experts : 1;
  require(product_within(kMaxIndex, {together, run.micro_batch_size,
                                     run.seq_len, copies}) > 0,
          "shards together * run.micro_batch_size * run.seq_len * selected "
          "experts = {} * {} * {} * {} must be at most {}",
          together, run.micro_batch_size, run.seq_len, copies, kMaxIndex);
  require(product_within(INT64_MAX,
                         {run.steps, run.num_shards, run.micro_batch_size,
                          run.micro_batches_per_shard, run.seq_len}) > 0,
          "the run's tokens, run.steps * run.num_shards * run.micro_batch_size "
          "* run.micro_batches_per_shard * run.seq_len = {} * {} * {} * {} * "
          "{}, must be below 2^63",
          run.steps, run.num_shards, run.micro_batch_size,
          run.micro_batches_per_shard, run.seq_len);
}

void check_schedule(const OptimizerConfig& optimizer, const RunConfig& run) {
  require_one_of("optimizer.schedule", optimizer.schedule,
                 {"constant", "cosine", "wsd"});
  require_range("optimizer.warmup_steps", optimizer.warmup_steps, 0, kMaxSteps);
  require_range("optimizer.decay_steps", optimizer.decay_steps, 0, kMaxSteps);
  const int64_t decay = optimizer.schedule == "wsd" ? optimizer.decay_steps : 0;
  require(optimizer.schedule != "wsd" || decay >= 1,
          "optimizer.decay_steps = 0 must be at least 1, since "
          "optimizer.schedule = 'wsd'");
  require(optimizer.warmup_steps + decay <= run.steps,
          "optimizer.warmup_steps{} = {}{} must be at most run.steps = {}",
          decay > 0 ? " + optimizer.decay_steps" : "", optimizer.warmup_steps,
          decay > 0 ? " + " + std::to_string(decay) : "", run.steps);
}

void check_beta(const std::string& key, double beta) {
  require(beta >= 0 && static_cast<float>(beta) < 1.0F,
          "{} = {} must be from 0 to less than 1 (as a 32-bit float)", key,
          beta);
}

void check_kernels(const KernelsConfig& kernels, const RunConfig& run) {
  require_range("kernels.threads", kernels.threads, 0, kMaxThreads);
  require_one_of("kernels.target", kernels.target,
                 {"auto", "avx512", "avx2", "baseline"});
  const int64_t together = kernels.shards_together;
  require(together == 0 || is_power_of_two(together),
          "kernels.shards_together = {} must be 0 or a power of two", together);
  require(together <= run.num_shards,
          "kernels.shards_together = {} must be at most run.num_shards = {}",
          together, run.num_shards);
}

// The first step whose learning rate depends on when the run ends.
int64_t first_step_that_knows_the_end(const Config& config) {
  const OptimizerConfig& optimizer = config.optimizer;
  if (optimizer.schedule == "constant") return INT64_MAX;
  if (optimizer.schedule == "wsd") {
    return config.run.steps - optimizer.decay_steps;
  }
  return optimizer.warmup_steps;
}

bool names_any(const std::string& key,
               std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return key == name; });
}

}  // namespace

void validate(const OptimizerConfig& optimizer, const std::string& prefix) {
  require_positive(prefix + "learning_rate", optimizer.learning_rate);
  require_at_least_zero(prefix + "min_learning_rate",
                        optimizer.min_learning_rate);
  require(optimizer.min_learning_rate <= optimizer.learning_rate,
          "{0}min_learning_rate = {1} must be at most {0}learning_rate = {2}",
          prefix, optimizer.min_learning_rate, optimizer.learning_rate);
  check_beta(prefix + "beta1", optimizer.beta1);
  check_beta(prefix + "beta2", optimizer.beta2);
  require_positive(prefix + "eps", optimizer.eps);
  require_at_least_zero(prefix + "weight_decay", optimizer.weight_decay);
  require(optimizer.learning_rate * optimizer.weight_decay < 1,
          "{0}learning_rate * {0}weight_decay = {1} * {2} must be below 1: a "
          "step's decay would turn the weights' signs",
          prefix, optimizer.learning_rate, optimizer.weight_decay);
  require_positive(prefix + "max_grad_norm", optimizer.max_grad_norm);
}

void validate(const Config& config) {
  validate(config.model);
  require(!config.data.path.empty(),
          "data.path is empty: name a folder of `colossus data prepare`");
  check_run(config.run);
  check_schedule(config.optimizer, config.run);
  validate(config.optimizer, "optimizer.");
  check_kernels(config.kernels, config.run);
  check_row_counts(config);
}

bool changes_bits(const std::string& key, const Config& before,
                  const Config& after, int64_t step) {
  if (key.starts_with("kernels.")) return false;
  // Where data lies; what it holds is compared by its digest, at the resume.
  if (key == "data.path") return false;
  if (names_any(key,
                {"run.dir", "run.val_every", "run.val_sequences",
                 "run.sample_every", "run.sample_prompt", "run.sample_tokens",
                 "run.checkpoint_every", "run.keep_last", "run.keep_every",
                 "run.audit_fraction", "run.replace_stragglers"})) {
    return false;
  }
  if (names_any(key, {"run.steps", "optimizer.decay_steps",
                      "optimizer.min_learning_rate"})) {
    return step > std::min(first_step_that_knows_the_end(before),
                           first_step_that_knows_the_end(after));
  }
  return true;
}

std::vector<ChangedKey> changed_keys(Config before, Config after,
                                     int64_t step) {
  const std::vector<Field> old_fields = fields_of(before);
  const std::vector<Field> new_fields = fields_of(after);
  std::vector<ChangedKey> changed;
  for (size_t i = 0; i < old_fields.size(); ++i) {
    const std::string from = value_text(old_fields[i]);
    const std::string to = value_text(new_fields[i]);
    if (from == to) continue;
    const std::string& key = old_fields[i].name;
    changed.push_back({key, from, to, changes_bits(key, before, after, step)});
  }
  return changed;
}

}  // namespace colossus::config
