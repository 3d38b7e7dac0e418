// The gradient of a block of shards as a function: (weights, step, block) ->
// gradient, losses. docs/architecture.md, "The step, as a function".
//
// A block's shards are computed in aligned groups; a group's gradient is the
// subtree of the tree over shards, and groups are summed as a binary counter
// does. So neither the group's size, nor the block's place in a larger run, nor
// the number of threads changes a bit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "config/config.h"
#include "config/placement.h"
#include "model/grok.h"

namespace colossus::kernels {
class Backend;
}
namespace colossus::tensor {
class Arena;
}

namespace colossus::runtime {

// Fills seq_len inputs and targets: sequence `row` of `shard` in a step.
using BatchSource = std::function<void(int64_t step, int64_t shard, int64_t row,
                                       int32_t* tokens_T, int32_t* targets_T)>;

// What the shards of a step say of it, from their records (below).
struct StepSummary {
  double loss = 0;      // mean cross-entropy over the micro-batches, nats
  double aux_loss = 0;  // mean weighted router losses
  // A micro-batch whose loss is not finite, or -1: its shard and number.
  int64_t bad_shard = -1, bad_micro_batch = -1;
  std::vector<float> expert_load_LE;  // mean share of each layer's experts
  // 1 / number of micro-batches: times the sum over shards, the gradient of the
  // mean loss.
  double mean_scale = 1;
};

class TrainingStep {
 public:
  // For a rank that starts with `num_shards` shards of the run's S (a power of
  // two): so many are computed together at most, and `arena` is for them alone.
  // What more shards would take comes from `room`, which need not be touched.
  TrainingStep(const config::Config& config, int64_t num_shards,
               kernels::Backend& backend, tensor::Arena& arena,
               tensor::Arena& room);

  // Doubles that a shard's record takes: the loss and router loss of each of
  // its micro-batches, then its part of the experts' load [layers, experts].
  int64_t record_size() const { return record_size_; }

  // `step` counts from 1; `w` and `gradient` are flat, padded_count() long.
  // Fills the records of the block's shards: that of shard s begins at
  // records[s * stride].
  void compute(const float* w, int64_t step, const config::ShardBlock& block,
               const BatchSource& source, float* gradient,
               std::span<double> records, int64_t stride);

  StepSummary summarize(std::span<const double> records, int64_t stride) const;

  // The model for the largest group: what evaluates, too.
  model::Grok& model() { return *models_.back(); }
  const model::ParameterList& parameters() const {
    return models_.back()->parameters();
  }
  int64_t padded_count() const { return padded_count_; }
  int64_t shards_together() const { return models_.back()->shape().num_shards; }

 private:
  void take_models(const config::Config& config, int64_t largest_group,
                   tensor::Arena& arena);
  model::Grok& model_for(int64_t num_shards);
  void compute_group(model::Grok& model, const float* w, int64_t step,
                     int64_t first_shard, const BatchSource& source,
                     float* gradient, std::span<double> records,
                     int64_t stride);
  void read_batch(const model::Grok& model, int64_t step, int64_t first_shard,
                  int64_t micro_batch, const BatchSource& source);
  void record(const model::BatchResult& result, int64_t first_shard,
              int64_t micro_batch, std::span<double> records,
              int64_t stride) const;

  const config::RunConfig run_;
  kernels::Backend& backend_;
  // For groups of 1, 2, 4 ... shards, over the same memory.
  std::vector<std::unique_ptr<model::Grok>> models_;
  int64_t padded_count_;
  int64_t record_size_;
  std::vector<float*> partial_;  // the counter's digits above the first
  std::vector<int32_t> tokens_, targets_;
};

// The number of shards that are computed together by a rank that has
// `num_shards`: as kernels.shards_together asks, or all. More than one
// micro-batch a shard makes it one (a shard's micro-batches go into one buffer
// one after the other).
int64_t resolve_shards_together(const config::Config& config,
                                int64_t num_shards);

}  // namespace colossus::runtime
