// One step of a rank, with the others: gradients of its shards, the sum over
// all of them, the norm, and AdamW on the slices that it owns or backs up. What
// two ranks computed of the step is compared before it counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/slice_store.h"
#include "config/config.h"
#include "config/placement.h"
#include "optimizer/sharded_adamw.h"
#include "runtime/audit_rules.h"
#include "runtime/journal_event.h"
#include "runtime/rank_link.h"
#include "runtime/step.h"
#include "runtime/step_probe.h"

namespace colossus {
class Clock;
class FileSystem;
}  // namespace colossus

namespace colossus::runtime {

// Text that the model writes, for the log; memory of its own.
class TextSampler {
 public:
  virtual ~TextSampler() = default;
  virtual uint64_t memory_bytes() const = 0;
  virtual std::string write(const float* w, const std::string& prompt,
                            int64_t num_tokens) = 0;
};

// Where a rank lives. Everything outlives it.
struct RankPlace {
  FileSystem& fs;
  const Clock& clock;
  kernels::Backend& backend;
  checkpoint::SliceStore store;
  TextSampler* text_sampler = nullptr;
  int num_threads = 1;  // for initial values
  StepProbe* probe = nullptr;
};

struct StepOutcome {
  StepMetrics metrics;  // as far as a rank knows: no rates, no expert load
  std::vector<float> expert_load_LE;
  // What of the step is not finite, as a sentence; then nothing was updated.
  std::string not_finite;
};

class RankStep {
 public:
  // All outlive it.
  RankStep(const config::Config& config, const BatchSource& batches,
           RankPlace& place, TrainingStep& training_step, RankLink& link);

  // Which shards and slices are this rank's from now on.
  void follow(const config::View& view);
  const std::vector<int64_t>& owned() const { return owned_; }
  const std::vector<int64_t>& backed_up() const { return backed_up_; }

  // Sees to it that this machine has the weights of `step` of all slices,
  // behind the next barrier or commit: this rank's slices must be complete.
  void share_weights(int64_t step);

  // From the slices of `step` - 1, complete on all ranks, to those of `step`,
  // of which all copies agree then, with shared weights. Does not return if two
  // ranks differ.
  StepOutcome run(int64_t step);

 private:
  void compute_gradients(int64_t step);
  Hash128 compute_again(int64_t step, int64_t first_shard);
  Hash128 hash_gradient(const float* gradient) const;
  void audit(int64_t step, double fraction);
  void compare(int64_t step);
  void differ(coordinator::DifferenceKind kind, int64_t step, int64_t shard,
              const Hash128& owners, const Hash128& backups);
  void sum_over_shards(int64_t step);
  std::vector<double> sums_of_squares() const;
  std::string what_is_not_finite(const StepSummary& summary,
                                 double grad_norm) const;
  void update(checkpoint::SliceCopy copy, const std::vector<int64_t>& slices,
              int64_t step, double learning_rate, double scale);

  const config::Config& config_;
  const BatchSource& batches_;
  RankPlace& place_;
  TrainingStep& training_step_;
  RankLink& link_;
  const optimizer::ShardedAdamW adamw_;
  const int64_t values_per_shard_;  // a record, then the slice's sum of squares
  std::vector<double> values_SK_;
  std::vector<double> audit_values_SK_;  // not looked at

  // Of the current view.
  int64_t view_number_ = 0;
  config::Placement placement_;
  std::vector<config::ShardBlock> blocks_;
  std::vector<config::ShardBlock> audits_;  // of others
  std::vector<int64_t> owned_, backed_up_;
  bool compares_ = false;  // there are backups
  OutOfLine out_of_line_;

  // Of the current step.
  std::vector<SliceHashes> owners_S_, backups_S_;
};

}  // namespace colossus::runtime
