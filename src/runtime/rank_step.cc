#include "runtime/rank_step.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/pulse.h"
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
          static_cast<size_t>(config.run.num_shards * values_per_shard_)),
      audit_values_SK_(values_SK_.size()) {}

void RankStep::follow(const config::View& view) {
  view_number_ = view.number;
  owned_ = config::owned_shards(view.placement, link_.rank());
  backed_up_ = config::backed_up_slices(view.placement, link_.rank());
  blocks_ = config::aligned_blocks(owned_, config_.run.num_shards);
  placement_ = view.placement;
  audits_ = audited_by(link_.rank(), placement_);
  const auto& backups = placement_.backup_S;
  compares_ = std::any_of(backups.begin(), backups.end(), [](int64_t backup) {
    return backup != config::kNoBackup;
  });
  out_of_line_.forget();
}

StepOutcome RankStep::run(int64_t step) {
  const double begin = place_.clock.steady_seconds();
  compute_gradients(step);
  audit(step, config_.run.audit_fraction);
  sum_over_shards(step);
  // From here on every rank knows the same numbers, and so decides the same.
  StepSummary summary = training_step_.summarize(values_SK_, values_per_shard_);
  const double grad_norm =
      summary.mean_scale * adamw_.grad_norm(sums_of_squares());
  const double rate =
      optimizer::learning_rate(config_.optimizer, config_.run.steps, step);
  if (out_of_line_.note(summary.loss, grad_norm)) {
    audit(step, 1);
    compare(step);
  }
  StepOutcome outcome;
  outcome.not_finite = what_is_not_finite(summary, grad_norm);
  if (outcome.not_finite.empty()) {
    const double scale = summary.mean_scale * adamw_.clip_scale(grad_norm);
    update(SliceCopy::kOwner, owned_, step, rate, scale);
    const double update_end = place_.clock.steady_seconds();
    update(SliceCopy::kBackup, backed_up_, step, rate, scale);
    compare(step);
    outcome.metrics.backup_seconds = place_.clock.steady_seconds() - update_end;
    if (place_.probe != nullptr) place_.probe->stored(step);
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
    if (place_.probe != nullptr) {
      place_.probe->computed(step, blocks_[i].first, link_.gradient(i));
    }
  }
}

// Hashes the gradients that are audited: this rank's own, as the others will
// read them, and of others' what this rank computes itself.
void RankStep::audit(int64_t step, double fraction) {
  const size_t shards = placement_.owner_S.size();
  owners_S_.assign(shards, {});
  backups_S_.assign(shards, {});
  if (!compares_) return;
  const auto is_chosen = [&](const config::ShardBlock& block) {
    const auto first = static_cast<size_t>(block.first);
    return placement_.backup_S[first] != config::kNoBackup &&
           is_audited(config_.run.seed, step, block.first, fraction);
  };
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (!is_chosen(blocks_[i])) continue;
    owners_S_[static_cast<size_t>(blocks_[i].first)].gradient =
        hash_gradient(link_.gradient(i));
  }
  for (const config::ShardBlock& block : audits_) {
    if (!is_chosen(block)) continue;
    backups_S_[static_cast<size_t>(block.first)].gradient =
        compute_again(step, block.first);
  }
}

Hash128 RankStep::compute_again(int64_t step, int64_t first_shard) {
  const config::ShardBlock block = block_of(first_shard, placement_);
  float* gradient = link_.scratch();
  training_step_.compute(place_.store.owners(step - 1).w, step, block, batches_,
                         gradient, audit_values_SK_, values_per_shard_);
  if (place_.probe != nullptr) {
    place_.probe->computed(step, block.first, gradient);
  }
  return hash_gradient(gradient);
}

// In pieces, with a beat between them.
Hash128 RankStep::hash_gradient(const float* gradient) const {
  constexpr int64_t kPiece = 16 << 20;
  const int64_t count = training_step_.padded_count();
  StreamingHash128 hash;
  for (int64_t at = 0; at < count; at += kPiece) {
    link_.pulse().beat();
    if (link_.pulse().interrupted()) throw Interrupted();
    const int64_t piece = std::min(kPiece, count - at);
    hash.update(gradient + at, static_cast<size_t>(piece) * sizeof(float));
  }
  return hash.digest();
}

// What owners and backups made of the step. All ranks see the same rows, and so
// the same difference: a gradient's first, since both holders of a slice sum
// the same gradients.
void RankStep::compare(int64_t step) {
  if (!compares_) return;
  link_.all_gather_hashes(step, SliceCopy::kOwner, owners_S_);
  link_.all_gather_hashes(step, SliceCopy::kBackup, backups_S_);
  using coordinator::DifferenceKind;
  for (const auto kind : {DifferenceKind::kGradient, DifferenceKind::kUpdate}) {
    const auto hash_of = [kind](const SliceHashes& of) {
      return kind == DifferenceKind::kGradient ? of.gradient : of.update;
    };
    for (size_t s = 0; s < owners_S_.size(); ++s) {
      if (placement_.backup_S[s] == config::kNoBackup) continue;
      const Hash128 owners = hash_of(owners_S_[s]);
      const Hash128 backups = hash_of(backups_S_[s]);
      if (owners == backups) continue;
      differ(kind, step, static_cast<int64_t>(s), owners, backups);
    }
  }
}

void RankStep::differ(coordinator::DifferenceKind kind, int64_t step,
                      int64_t shard, const Hash128& owners,
                      const Hash128& backups) {
  const auto at = static_cast<size_t>(shard);
  link_.differ({.kind = kind,
                .step = step,
                .shard = shard,
                .first_rank = placement_.owner_S[at],
                .second_rank = placement_.backup_S[at],
                .first_hash = owners,
                .second_hash = backups},
               [&](int64_t first) { return compute_again(step, first); });
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
  std::vector<SliceHashes>& hashes_S =
      copy == SliceCopy::kOwner ? owners_S_ : backups_S_;
  for (const int64_t slice : slices) {
    if (place_.probe != nullptr) {
      place_.probe->summed(step, slice, link_.sum(slice));
    }
    const SliceData in = place_.store.data(copy, slice, step - 1);
    const SliceData out = place_.store.begin_write(copy, slice, step);
    const Hash128 hash =
        adamw_.update_slice(slice, step, learning_rate, scale, link_.sum(slice),
                            {in.w, in.m, in.v}, {out.w, out.m, out.v});
    place_.store.complete(copy, slice, step, view_number_, hash);
    hashes_S[static_cast<size_t>(slice)].update = hash;
  }
}

}  // namespace colossus::runtime
