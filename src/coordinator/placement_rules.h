// Which rank owns, and which one backs up, each shard. Pure and deterministic.
//
// In this order: owner and backup of a slice on different machines where there
// are two; on different ranks where there are two; spares before doubling up
// (every rank up to the wanted number hosts); the smallest maximum of shards a
// rank owns; the fewest slices moved to a machine that lacks them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/protocol_names.h"
#include "config/placement.h"

namespace colossus::coordinator {

struct PlacementRequest {
  int64_t num_shards = 1;
  int64_t wanted_ranks = 1;             // more members than this: spares
  std::vector<config::Member> members;  // at least one; by rank, ascending
  config::Placement previous;           // empty: none
  // By slice: machines where its state lies, ascending. Empty: nowhere (a new
  // run, a restore).
  std::vector<std::vector<int64_t>> machines_S;
  Mutation mutation = Mutation::kNone;
};

config::Placement choose_placement(const PlacementRequest& request);

// Slices that `placement` makes a machine fetch, owner and backup counted.
int64_t num_moved_slices(const PlacementRequest& request,
                         const config::Placement& placement);

}  // namespace colossus::coordinator
