#include "runtime/step.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "kernels/backend.h"
#include "tensor/arena.h"

namespace colossus::runtime {
namespace {

model::BatchShape batch_shape(const config::Config& config) {
  return {.num_shards = resolve_shards_together(config),
          .micro_batch_size = config.run.micro_batch_size,
          .seq_len = config.run.seq_len};
}

}  // namespace

int64_t resolve_shards_together(const config::Config& config) {
  if (config.run.micro_batches_per_shard > 1) return 1;
  if (config.kernels.shards_together == 0) return config.run.num_shards;
  return std::min(config.kernels.shards_together, config.run.num_shards);
}

TrainingStep::TrainingStep(const config::Config& config,
                           kernels::Backend& backend, tensor::Arena& arena)
    : run_(config.run),
      backend_(backend),
      model_(config.model, batch_shape(config), model::Grok::Mode::kTraining,
             backend, arena),
      padded_count_(model_.parameters().padded_count(run_.num_shards)) {
  const auto num_groups =
      static_cast<uint64_t>(run_.num_shards / shards_together());
  for (int digit = 0; digit < static_cast<int>(std::bit_width(num_groups));
       ++digit) {
    gradients_.push_back(arena.take<float>(padded_count_, "gradients"));
  }
  const auto tokens = static_cast<size_t>(model_.shape().num_tokens());
  tokens_.resize(tokens);
  targets_.resize(tokens);
}

StepResult TrainingStep::compute(const float* w, int64_t step,
                                 const BatchSource& source) {
  const auto micro_batches =
      static_cast<size_t>(run_.num_shards * run_.micro_batches_per_shard);
  loss_.assign(micro_batches, 0.0);
  aux_loss_.assign(micro_batches, 0.0);
  expert_load_LE_.clear();
  size_t depth = 0;  // gradients_[0, depth) hold sums of groups
  const int64_t num_groups = run_.num_shards / shards_together();
  for (int64_t group = 0; group < num_groups; ++group) {
    compute_group(w, step, group * shards_together(), source,
                  gradients_[depth++]);
    // As a binary counter carries: a sum of as many groups stands below.
    for (int64_t carry = group; (carry & 1) != 0; carry >>= 1) {
      --depth;
      backend_.add_into({.count = padded_count_,
                         .left = gradients_[depth - 1],
                         .right = gradients_[depth]});
    }
  }
  return summary();
}

void TrainingStep::compute_group(const float* w, int64_t step,
                                 int64_t first_shard, const BatchSource& source,
                                 float* gradient) {
  for (int64_t m = 0; m < run_.micro_batches_per_shard; ++m) {
    read_batch(step, first_shard, m, source);
    record(model_.forward_backward(w, tokens_, targets_, gradient, m > 0),
           first_shard, m);
  }
}

void TrainingStep::read_batch(int64_t step, int64_t first_shard,
                              int64_t micro_batch, const BatchSource& source) {
  int64_t at = 0;
  for (int64_t s = 0; s < shards_together(); ++s) {
    for (int64_t i = 0; i < run_.micro_batch_size; ++i) {
      source(step, first_shard + s, micro_batch * run_.micro_batch_size + i,
             tokens_.data() + at, targets_.data() + at);
      at += run_.seq_len;
    }
  }
}

void TrainingStep::record(const model::BatchResult& result, int64_t first_shard,
                          int64_t micro_batch) {
  for (size_t s = 0; s < result.loss_P.size(); ++s) {
    const int64_t shard = first_shard + static_cast<int64_t>(s);
    const auto at =
        static_cast<size_t>(shard * run_.micro_batches_per_shard + micro_batch);
    loss_[at] = result.loss_P[s];
    aux_loss_[at] = result.aux_loss_P[s];
  }
  const float weight =
      static_cast<float>(shards_together()) /
      static_cast<float>(run_.num_shards * run_.micro_batches_per_shard);
  expert_load_LE_.resize(result.expert_load_LE.size());
  for (size_t i = 0; i < expert_load_LE_.size(); ++i) {
    expert_load_LE_[i] += result.expert_load_LE[i] * weight;
  }
}

StepResult TrainingStep::summary() const {
  StepResult r;
  const auto count = static_cast<double>(loss_.size());
  for (size_t i = 0; i < loss_.size(); ++i) {
    r.loss += loss_[i] / count;
    r.aux_loss += aux_loss_[i] / count;
    if (!std::isfinite(loss_[i] + aux_loss_[i]) && r.bad_shard < 0) {
      r.bad_shard = static_cast<int64_t>(i) / run_.micro_batches_per_shard;
      r.bad_micro_batch =
          static_cast<int64_t>(i) % run_.micro_batches_per_shard;
    }
  }
  r.expert_load_LE = expert_load_LE_;
  r.gradient = gradients_[0];
  r.mean_scale = 1 / count;
  return r;
}

}  // namespace colossus::runtime
