// One training step as a function: (weights, batch of the step) -> gradient,
// losses. docs/architecture.md, "The step, as a function".
//
// The shards are computed in aligned groups of `shards_together`; a group's
// gradient is the subtree of the tree over shards, and groups are summed as a
// binary counter does. So neither the group's size nor the number of threads
// changes a bit.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "config/config.h"
#include "model/grok.h"

namespace colossus::runtime {

// Fills seq_len inputs and targets: sequence `row` of `shard` in a step.
using BatchSource = std::function<void(int64_t step, int64_t shard, int64_t row,
                                       int32_t* tokens_T, int32_t* targets_T)>;

struct StepResult {
  double loss = 0;      // mean cross-entropy over the micro-batches, nats
  double aux_loss = 0;  // mean weighted router losses
  // A micro-batch whose loss is not finite, or -1: its shard and number.
  int64_t bad_shard = -1, bad_micro_batch = -1;
  std::vector<float> expert_load_LE;  // mean share of each layer's experts
  // Summed over all micro-batches; flat, padded; valid until the next step.
  const float* gradient = nullptr;
  // 1 / number of micro-batches: times `gradient`, the gradient of the mean
  // loss.
  double mean_scale = 1;
};

class TrainingStep {
 public:
  TrainingStep(const config::Config& config, kernels::Backend& backend,
               tensor::Arena& arena);

  // `step` counts from 1. `w` is the flat weight vector, padded_count() long.
  StepResult compute(const float* w, int64_t step, const BatchSource& source);

  model::Grok& model() { return model_; }
  const model::ParameterList& parameters() const { return model_.parameters(); }
  int64_t padded_count() const { return padded_count_; }
  int64_t shards_together() const { return model_.shape().num_shards; }

 private:
  void compute_group(const float* w, int64_t step, int64_t first_shard,
                     const BatchSource& source, float* gradient);
  void read_batch(int64_t step, int64_t first_shard, int64_t micro_batch,
                  const BatchSource& source);
  void record(const model::BatchResult& result, int64_t first_shard,
              int64_t micro_batch);
  StepResult summary() const;

  const config::RunConfig run_;
  kernels::Backend& backend_;
  model::Grok model_;
  int64_t padded_count_;
  std::vector<float*> gradients_;  // the counter's digits, lowest last
  std::vector<int32_t> tokens_, targets_;
  // Of the current step, by [shard, micro-batch].
  std::vector<double> loss_, aux_loss_;
  std::vector<float> expert_load_LE_;
};

// The number of shards that `config` computes together: as asked for, or all.
// More than one micro-batch a shard makes it one (a shard's micro-batches go
// into one buffer one after the other).
int64_t resolve_shards_together(const config::Config& config);

}  // namespace colossus::runtime
