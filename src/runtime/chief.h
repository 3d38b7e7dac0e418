// The duties of the rank that owns shard 0, beside its shards: what a run shows
// of itself and leaves on disk. Validation, samples, checkpoints, reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_store.h"
#include "checkpoint/checkpoint_writer.h"
#include "runtime/rank.h"

namespace colossus::runtime {

// Whether something is to be done between `step` and its commit. All ranks ask,
// since the chief does it with weights that all must have written.
bool is_duty_due(const config::RunConfig& run, int64_t step);

class Chief {
 public:
  // What an earlier chief was killed at is tidied up.
  Chief(const config::Config& config, const TrainingData& data,
        const RankPlace& place, RankMemory& memory, RankLink& link);
  // Finishes the write under way.
  ~Chief();

  // Of a step whose slices are all written, before its commit.
  void step_done(StepOutcome outcome);
  void after_step(int64_t step);

  // The ends of a run, each with a checkpoint of its last step.
  void finish();
  void stop_at(int64_t step, const std::string& reason);
  void fail_at(int64_t step, const std::string& message);

 private:
  void validate(int64_t step);
  void sample(int64_t step);
  void submit_checkpoint(int64_t step);
  void bring_moments(int64_t step);
  void finish_checkpoint();
  void save(int64_t step);  // returns when the checkpoint is durable
  const float* weights(int64_t step) const;

  const config::Config& config_;
  const TrainingData& data_;
  const RankPlace& place_;
  RankMemory& memory_;
  RankLink& link_;
  checkpoint::CheckpointStore store_;
  checkpoint::CheckpointWriter writer_;
  // The checkpoint that the writer may still be at, and when it was given.
  std::optional<int64_t> pending_step_;
  double pending_since_ = 0;
  double stood_seconds_ = 0;  // for checkpoints, since the last step
};

// What a run's checkpoints say of it; `data_digest` is in `extra`.
checkpoint::CheckpointInfo checkpoint_info(const config::Config& config,
                                           const TrainingData& data,
                                           const std::string& numerics_version,
                                           int64_t step);

}  // namespace colossus::runtime
