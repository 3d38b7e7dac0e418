// The whole config of a run, one struct a component. Defaults stand here; TOML,
// --set and `colossus config show` all go through the field lists (toml.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace colossus::config {

struct DataConfig {
  std::string path = "data/kjv";

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("path", path,
            "folder that `colossus data prepare` wrote: tokenizer and tokens");
  }
};

// The step as a function: what it computes depends on these, never on ranks,
// threads or the order in which shards are computed.
struct RunConfig {
  std::string dir = "runs/run";
  int64_t seed = 1;
  int64_t steps = 1000;
  int64_t seq_len = 128;
  int64_t num_shards = 8;
  int64_t micro_batch_size = 1;
  int64_t micro_batches_per_shard = 1;
  int64_t val_every = 250;
  int64_t val_sequences = 64;
  int64_t sample_every = 0;
  std::string sample_prompt = "";
  int64_t sample_tokens = 64;
  int64_t checkpoint_every = 500;
  int64_t keep_last = 2;
  int64_t keep_every = 0;
  double audit_fraction = 0.0025;
  bool replace_stragglers = false;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("dir", dir, "folder of the run: config, journal, checkpoints");
    v.field("seed", seed, "fixes initial weights and the order of the data");
    v.field("steps", steps, "optimizer steps of the whole run");
    v.field("seq_len", seq_len, "T: tokens of a training window");
    v.field("num_shards", num_shards,
            "S: slices of the global batch, a power of two; part of the "
            "function that a run computes");
    v.field("micro_batch_size", micro_batch_size,
            "sequences of one forward and backward pass of a shard");
    v.field("micro_batches_per_shard", micro_batches_per_shard,
            "micro-batches that a shard adds up in a step");
    v.field("val_every", val_every, "steps between validations; 0 = never");
    v.field("val_sequences", val_sequences,
            "windows of a validation during training; 0 = all");
    v.field("sample_every", sample_every,
            "steps between text samples; 0 = never");
    v.field("sample_prompt", sample_prompt, "what a text sample starts with");
    v.field("sample_tokens", sample_tokens, "tokens of a text sample");
    v.field("checkpoint_every", checkpoint_every,
            "steps between checkpoints; 0 = only at the end");
    v.field("keep_last", keep_last, "newest checkpoints to keep");
    v.field("keep_every", keep_every,
            "keep every checkpoint whose step is a multiple of this; 0 = none");
    v.field("audit_fraction", audit_fraction,
            "share of the gradients that a second rank computes too, to find a "
            "processor that computes wrongly");
    v.field("replace_stragglers", replace_stragglers,
            "whether a spare takes over from a rank that stays slower than the "
            "others; it is shown in any case");
  }

  int64_t sequences_per_shard() const {
    return micro_batch_size * micro_batches_per_shard;
  }
  int64_t global_batch_size() const {  // sequences a step
    return num_shards * sequences_per_shard();
  }
  int64_t tokens_per_step() const { return global_batch_size() * seq_len; }
};

struct OptimizerConfig {
  double learning_rate = 3e-3;
  double min_learning_rate = 3e-4;
  std::string schedule = "cosine";
  int64_t warmup_steps = 100;
  int64_t decay_steps = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double max_grad_norm = 1.0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("learning_rate", learning_rate, "peak of the schedule");
    v.field("min_learning_rate", min_learning_rate, "end of the schedule");
    v.field("schedule", schedule,
            "after the warm-up: constant, cosine, or wsd (stable, then a "
            "linear decay)");
    v.field("warmup_steps", warmup_steps, "steps of linear warm-up");
    v.field("decay_steps", decay_steps,
            "wsd only: length of the decay at the end");
    v.field("beta1", beta1, "AdamW: decay of the first moment");
    v.field("beta2", beta2, "AdamW: decay of the second moment");
    v.field("eps", eps, "AdamW: added to the root of the second moment");
    v.field("weight_decay", weight_decay, "decoupled, on matrices only");
    v.field("max_grad_norm", max_grad_norm,
            "the gradient is scaled down to this global norm");
  }
};

// How a run is computed on this machine. Nothing here changes a bit of it.
struct KernelsConfig {
  int64_t threads = 0;
  std::string target = "auto";
  int64_t shards_together = 0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("threads", threads, "threads of the kernels; 0 = one a core");
    v.field("target", target,
            "instruction set: auto, avx512, avx2 or baseline");
    v.field("shards_together", shards_together,
            "shards computed as one batch, a power of two; 0 = as many as the "
            "function allows");
  }
};

struct Config {
  ModelConfig model;
  DataConfig data;
  RunConfig run;
  OptimizerConfig optimizer;
  KernelsConfig kernels;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.section("model", model);
    v.section("data", data);
    v.section("run", run);
    v.section("optimizer", optimizer);
    v.section("kernels", kernels);
  }
};

// All rules of a config stand in config.cc. Throws UserError with the formula
// and its numbers.
void validate(const Config& config);

// Those of the optimizer alone; keys are named `prefix` + field.
void validate(const OptimizerConfig& optimizer, const std::string& prefix);

// A key whose value differs between two configs of one run.
struct ChangedKey {
  std::string key, before, after;  // values as TOML writes them
  bool changes_bits;
};

// Whether a run under `after` would have reached `step` (steps done) with other
// bits than the run under `before` did, because of this key. The length of a
// run matters to its bits only once the schedule looks at it: never for
// "constant", in the decay for "wsd", after the warm-up for "cosine". What the
// data folder holds and which numerics the processor has is not seen here.
bool changes_bits(const std::string& key, const Config& before,
                  const Config& after, int64_t step);

// Every key that differs, in the order of the fields.
std::vector<ChangedKey> changed_keys(Config before, Config after, int64_t step);

}  // namespace colossus::config
