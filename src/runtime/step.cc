#include "runtime/step.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "kernels/backend.h"
#include "tensor/arena.h"

namespace colossus::runtime {

int64_t resolve_shards_together(const config::Config& config,
                                int64_t num_shards) {
  if (config.run.micro_batches_per_shard > 1) return 1;
  if (config.kernels.shards_together == 0) return num_shards;
  return std::min(config.kernels.shards_together, num_shards);
}

TrainingStep::TrainingStep(const config::Config& config, int64_t num_shards,
                           kernels::Backend& backend, tensor::Arena& arena,
                           tensor::Arena& room)
    : run_(config.run), backend_(backend) {
  COLOSSUS_CHECK(std::has_single_bit(static_cast<uint64_t>(num_shards)) &&
                     num_shards <= run_.num_shards,
                 "{} of {} shards", num_shards, run_.num_shards);
  take_models(config, resolve_shards_together(config, num_shards), arena);
  padded_count_ = parameters().padded_count(run_.num_shards);
  record_size_ = 2 * run_.micro_batches_per_shard +
                 config.model.num_layers * config.model.num_experts;
  for (int64_t count = 2 * shards_together(); count <= run_.num_shards;
       count *= 2) {
    tensor::Arena& from = count <= num_shards ? arena : room;
    partial_.push_back(from.take<float>(padded_count_, "gradients"));
  }
  const auto tokens = static_cast<size_t>(model().shape().num_tokens());
  tokens_.resize(tokens);
  targets_.resize(tokens);
}

void TrainingStep::take_models(const config::Config& config,
                               int64_t largest_group, tensor::Arena& arena) {
  const uint64_t begin = arena.mark();
  uint64_t end = begin;
  // The largest first, so that the plan books the memory under its labels.
  for (int64_t group = largest_group; group >= 1; group /= 2) {
    arena.rewind(begin);
    const model::BatchShape shape{.num_shards = group,
                                  .micro_batch_size = run_.micro_batch_size,
                                  .seq_len = run_.seq_len};
    models_.push_back(std::make_unique<model::Grok>(
        config.model, shape, model::Grok::Mode::kTraining, backend_, arena));
    end = std::max(end, arena.mark());
  }
  arena.rewind(end);
  std::reverse(models_.begin(), models_.end());
}

model::Grok& TrainingStep::model_for(int64_t num_shards) {
  const auto index =
      static_cast<size_t>(std::countr_zero(static_cast<uint64_t>(num_shards)));
  return *models_[std::min(index, models_.size() - 1)];
}

void TrainingStep::compute(const float* w, int64_t step,
                           const config::ShardBlock& block,
                           const BatchSource& source, float* gradient,
                           std::span<double> records, int64_t stride) {
  model::Grok& model = model_for(block.count);
  const int64_t together = model.shape().num_shards;
  const int64_t num_groups = block.count / together;
  const auto digit = [&](size_t depth) {
    return depth == 0 ? gradient : partial_[depth - 1];
  };
  size_t depth = 0;  // digits [0, depth) hold sums of groups
  for (int64_t group = 0; group < num_groups; ++group) {
    compute_group(model, w, step, block.first + group * together, source,
                  digit(depth++), records, stride);
    // As a binary counter carries: a sum of as many groups stands below.
    for (int64_t carry = group; (carry & 1) != 0; carry >>= 1) {
      --depth;
      backend_.add_into({.count = padded_count_,
                         .left = digit(depth - 1),
                         .right = digit(depth)});
    }
  }
}

void TrainingStep::compute_group(model::Grok& model, const float* w,
                                 int64_t step, int64_t first_shard,
                                 const BatchSource& source, float* gradient,
                                 std::span<double> records, int64_t stride) {
  for (int64_t s = 0; s < model.shape().num_shards; ++s) {
    std::fill_n(records.begin() + (first_shard + s) * stride, record_size_,
                0.0);
  }
  const auto num_tokens = static_cast<size_t>(model.shape().num_tokens());
  for (int64_t m = 0; m < run_.micro_batches_per_shard; ++m) {
    read_batch(model, step, first_shard, m, source);
    const model::BatchResult result = model.forward_backward(
        w, std::span(tokens_).first(num_tokens),
        std::span(targets_).first(num_tokens), gradient, m > 0);
    record(result, first_shard, m, records, stride);
  }
}

void TrainingStep::read_batch(const model::Grok& model, int64_t step,
                              int64_t first_shard, int64_t micro_batch,
                              const BatchSource& source) {
  int64_t at = 0;
  for (int64_t s = 0; s < model.shape().num_shards; ++s) {
    for (int64_t i = 0; i < run_.micro_batch_size; ++i) {
      source(step, first_shard + s, micro_batch * run_.micro_batch_size + i,
             tokens_.data() + at, targets_.data() + at);
      at += run_.seq_len;
    }
  }
}

// The load is a mean over the group: it stands in its first shard's record.
void TrainingStep::record(const model::BatchResult& result, int64_t first_shard,
                          int64_t micro_batch, std::span<double> records,
                          int64_t stride) const {
  const int64_t micro_batches = run_.micro_batches_per_shard;
  for (size_t s = 0; s < result.loss_P.size(); ++s) {
    const int64_t shard = first_shard + static_cast<int64_t>(s);
    double* of_shard = records.data() + shard * stride;
    of_shard[micro_batch] = result.loss_P[s];
    of_shard[micro_batches + micro_batch] = result.aux_loss_P[s];
  }
  double* load_LE = records.data() + first_shard * stride + 2 * micro_batches;
  for (size_t i = 0; i < result.expert_load_LE.size(); ++i) {
    load_LE[i] += double{result.expert_load_LE[i]} *
                  static_cast<double>(result.loss_P.size());
  }
}

StepSummary TrainingStep::summarize(std::span<const double> records,
                                    int64_t stride) const {
  const int64_t micro_batches = run_.micro_batches_per_shard;
  const auto count = static_cast<double>(run_.num_shards * micro_batches);
  StepSummary r;
  r.mean_scale = 1 / count;
  std::vector<double> load_LE(
      static_cast<size_t>(record_size_ - 2 * micro_batches));
  for (int64_t shard = 0; shard < run_.num_shards; ++shard) {
    const double* of_shard = records.data() + shard * stride;
    for (int64_t m = 0; m < micro_batches; ++m) {
      const double loss = of_shard[m], aux_loss = of_shard[micro_batches + m];
      r.loss += loss / count;
      r.aux_loss += aux_loss / count;
      if (!std::isfinite(loss + aux_loss) && r.bad_shard < 0) {
        r.bad_shard = shard;
        r.bad_micro_batch = m;
      }
    }
    for (size_t i = 0; i < load_LE.size(); ++i) {
      load_LE[i] += of_shard[2 * micro_batches + static_cast<int64_t>(i)];
    }
  }
  for (const double load : load_LE) {
    r.expert_load_LE.push_back(static_cast<float>(load / count));
  }
  return r;
}

}  // namespace colossus::runtime
