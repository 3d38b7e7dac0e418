#include "runtime/rank_step.h"

#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "kernels/backend.h"
#include "optimizer/schedule.h"

namespace colossus::runtime {

using checkpoint::SliceCopy;
using checkpoint::SliceData;

RankStep::RankStep(const config::Config& config, const BatchSource& batches,
                   RankPlace& place, TrainingStep& training_step,
                   RankLink& link)
    : config_(config),
      batches_(batches),
      place_(place),
      training_step_(training_step),
      link_(link),
      adamw_(config.optimizer, training_step.parameters().layout(),
             training_step.padded_count(), config.run.num_shards,
             place.backend),
      values_per_shard_(training_step.record_size() + 1),
      values_SK_(
          static_cast<size_t>(config.run.num_shards * values_per_shard_)) {}

void RankStep::follow(const config::View& view) {
  view_number_ = view.number;
  owned_ = config::owned_shards(view.placement, link_.rank());
  backed_up_ = config::backed_up_slices(view.placement, link_.rank());
  blocks_ = config::aligned_blocks(owned_, config_.run.num_shards);
}

StepOutcome RankStep::run(int64_t step) {
  const double begin = place_.clock.steady_seconds();
  compute_gradients(step);
  sum_over_shards(step);
  // From here on every rank knows the same numbers, and so decides the same.
  StepSummary summary = training_step_.summarize(values_SK_, values_per_shard_);
  const double grad_norm =
      summary.mean_scale * adamw_.grad_norm(sums_of_squares());
  const double rate =
      optimizer::learning_rate(config_.optimizer, config_.run.steps, step);
  StepOutcome outcome;
  outcome.not_finite = what_is_not_finite(summary, grad_norm);
  if (outcome.not_finite.empty()) {
    const double scale = summary.mean_scale * adamw_.clip_scale(grad_norm);
    update(SliceCopy::kOwner, owned_, step, rate, scale);
    update(SliceCopy::kBackup, backed_up_, step, rate, scale);
    share_weights(step);
  }
  outcome.metrics.step = step;
  outcome.metrics.loss = summary.loss;
  outcome.metrics.aux_loss = summary.aux_loss;
  outcome.metrics.learning_rate = rate;
  outcome.metrics.grad_norm = grad_norm;
  outcome.metrics.seconds = place_.clock.steady_seconds() - begin;
  outcome.expert_load_LE = std::move(summary.expert_load_LE);
  return outcome;
}

// The weights of other machines' slices go into the owners' flat vector, where
// kernels read them; the slice itself does not count as held. Written is what
// `step` - 2 needed, and nobody reads.
void RankStep::share_weights(int64_t step) {
  checkpoint::SliceStore& store = place_.store;
  const auto shards = static_cast<size_t>(config_.run.num_shards);
  std::vector<const float*> from_S(shards, nullptr);
  std::vector<float*> to_S(shards, nullptr);
  for (const int64_t slice : owned_) {
    from_S[static_cast<size_t>(slice)] =
        store.data(SliceCopy::kOwner, slice, step).w;
  }
  for (const int64_t slice : backed_up_) {
    from_S[static_cast<size_t>(slice)] =
        store.data(SliceCopy::kBackup, slice, step).w;
  }
  for (const int64_t slice : link_.borne_slices()) {
    if (store.holds(SliceCopy::kOwner, slice, step)) continue;
    to_S[static_cast<size_t>(slice)] =
        store.begin_write(SliceCopy::kOwner, slice, step).w;
  }
  link_.share_weights(step, from_S, to_S);
}

void RankStep::compute_gradients(int64_t step) {
  const float* w = place_.store.owners(step - 1).w;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    training_step_.compute(w, step, blocks_[i], batches_, link_.gradient(i),
                           values_SK_, values_per_shard_);
  }
}

void RankStep::sum_over_shards(int64_t step) {
  link_.reduce_scatter(step);
  for (const int64_t slice : owned_) {
    values_SK_[static_cast<size_t>((slice + 1) * values_per_shard_ - 1)] =
        adamw_.sum_of_squares(link_.sum(slice));
  }
  link_.all_gather(step, values_SK_, values_per_shard_);
}

std::vector<double> RankStep::sums_of_squares() const {
  std::vector<double> sums_S;
  for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
    sums_S.push_back(
        values_SK_[static_cast<size_t>((slice + 1) * values_per_shard_ - 1)]);
  }
  return sums_S;
}

std::string RankStep::what_is_not_finite(const StepSummary& summary,
                                         double grad_norm) const {
  if (summary.bad_shard >= 0) {
    return fmt::format("the loss of shard {}, micro-batch {} is not finite",
                       summary.bad_shard, summary.bad_micro_batch);
  }
  if (std::isfinite(grad_norm)) return "";
  return fmt::format(
      "the gradient of the step's {} sequences is not finite, though their "
      "loss is",
      config_.run.global_batch_size());
}

void RankStep::update(SliceCopy copy, const std::vector<int64_t>& slices,
                      int64_t step, double learning_rate, double scale) {
  for (const int64_t slice : slices) {
    const SliceData in = place_.store.data(copy, slice, step - 1);
    const SliceData out = place_.store.begin_write(copy, slice, step);
    adamw_.update_slice(slice, step, learning_rate, scale, link_.sum(slice),
                        {in.w, in.m, in.v}, {out.w, out.m, out.v});
    place_.store.complete(copy, slice, step, view_number_);
  }
}

}  // namespace colossus::runtime
