// Which gradients of a step a second rank computes too, and when all of them.
// Pure: every rank of a view comes to the same answer without a word.
//
// The unit is the aligned block of shards that a rank computes in one piece. It
// is named by its first shard, and audited by the backup of that shard's slice,
// which is another rank.
#pragma once

#include <cstdint>
#include <vector>

#include "config/placement.h"

namespace colossus::runtime {

// Whether the block that begins with `shard` is audited in this step: a share
// `fraction` of all.
bool is_audited(int64_t seed, int64_t step, int64_t shard, double fraction);

// The blocks of other ranks that `rank` audits when they are.
std::vector<config::ShardBlock> audited_by(int64_t rank,
                                           const config::Placement& placement);

// The block of its owner that begins with `shard`. CHECKs that there is one.
config::ShardBlock block_of(int64_t shard, const config::Placement& placement);

// Whether a step's numbers are far from those of the steps before it. Of one
// view: ranks that saw other steps would decide otherwise.
class OutOfLine {
 public:
  void forget() { steps_.clear(); }
  // True if one of the two is not finite, or above ten times its median over
  // the last steps; of too few steps nothing can be said. Then notes them.
  bool note(double loss, double grad_norm);

 private:
  struct Step {
    double loss, grad_norm;
  };
  std::vector<Step> steps_;  // the newest last
};

}  // namespace colossus::runtime
