// A rank of a run: hosts shards, and steps with the others until the run ends.
// The one road that a start, a resume, a failure and a resize share:
//
//   receive a view -> bring each slice from its nearest good copy -> step until
//   the view changes
//
// The rank that owns shard 0 is the chief: it validates, writes samples and
// checkpoints, and reports the steps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/slice_store.h"
#include "config/config.h"
#include "config/placement.h"
#include "runtime/evaluate.h"
#include "runtime/journal_event.h"
#include "runtime/rank_link.h"
#include "runtime/rank_step.h"
#include "runtime/step.h"
#include "tensor/arena.h"

namespace colossus {
class Clock;
class FileSystem;
}  // namespace colossus
namespace colossus::checkpoint {
class VerifiedCheckpoint;
}

namespace colossus::runtime {

// What a run trains on, as functions of (step, shard, row) and of windows.
struct TrainingData {
  BatchSource batches;
  EvalSet validation;
  // Hash of corpus and tokenizer: a resume under another one is refused.
  std::string digest;
};

// The memory of a rank itself, beside what the ranks of its machine share.
struct RankMemory {
  // `num_shards`: of the placement that it starts with. What the adoption of
  // more shards would take comes from `room`, and so does the snapshot for
  // checkpoints of a rank that is not to be chief.
  RankMemory(const config::Config& config, int64_t num_shards, bool chief,
             kernels::Backend& backend, tensor::Arena& arena,
             tensor::Arena& room);

  TrainingStep step;
  std::span<float> snapshot;  // 3 flat vectors, for the checkpoint writer
  // For the sums over shards of slices that it needs, S of a slice's size each:
  // room but for those of its first placement, and of their like as backup. A
  // rank that hosts all shards sums in place.
  std::vector<float*> sums;
};

class Chief;

class Rank {
 public:
  Rank(const config::Config& config, const TrainingData& data,
       const RankPlace& place, RankMemory& memory, RankLink& link);
  ~Rank();

  // Follows views until the run is done or stopped, or the rank not needed.
  // Throws RunError, after reporting it, if the run cannot go on.
  void run();

 private:
  bool follow(const config::View& view);  // false: the run is over
  void end_at(const config::View& view);
  void connect(const config::View& view);
  void bring_slices(const config::View& view);
  void bring_slice(checkpoint::SliceCopy copy, int64_t slice, int64_t step);
  void read_checkpoint(int64_t slice, int64_t step,
                       const checkpoint::SliceData& to);
  void initialize(int64_t slice, const checkpoint::SliceData& to);

  void do_step(int64_t step);
  [[noreturn]] void fail(int64_t step, const std::string& reason);

  const config::Config& config_;
  const TrainingData& data_;
  RankPlace place_;
  RankMemory& memory_;
  RankLink& link_;
  const tensor::TensorLayout& layout_;
  RankStep step_;
  int64_t view_number_ = 0;
  std::unique_ptr<Chief> chief_;  // null unless it is
  // Null unless slices of a view came from it.
  std::unique_ptr<checkpoint::VerifiedCheckpoint> restored_;
};

// The rank that owns shard 0.
int64_t chief_of(const config::View& view);

}  // namespace colossus::runtime
