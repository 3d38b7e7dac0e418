// What passes between a rank and its agent when two that should agree do not.
// Plain values of whole 64-bit words; what they lead to is the coordinator's
// business (coordinator/messages.h).
#pragma once

#include <array>
#include <cstdint>

#include "base/hash.h"

namespace colossus::distributed {

struct FoundDifference {
  int64_t kind = 0;  // coordinator::DifferenceKind
  int64_t view = 0;  // 0: nothing was found
  int64_t step = 0;
  int64_t shard = 0;
  int64_t first_rank = 0;  // -1: none in particular
  int64_t second_rank = 0;
  Hash128 first_hash = {};
  Hash128 second_hash = {};
  bool operator==(const FoundDifference&) const = default;
};

// The agent asks: compute the gradient of the block that begins with `shard`
// again.
struct RecomputeCall {
  int64_t view = 0;  // 0: nothing is asked
  int64_t step = 0;
  int64_t shard = 0;
  std::array<int64_t, 2> ranks = {-1, -1};  // that are asked
  bool operator==(const RecomputeCall&) const = default;
};

// The answer.
struct RecomputedGradient {
  int64_t view = 0;  // 0: none yet
  int64_t step = 0;
  int64_t shard = 0;
  Hash128 hash = {};
  bool operator==(const RecomputedGradient&) const = default;
};

}  // namespace colossus::distributed
