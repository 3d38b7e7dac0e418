// The memory of a run on one machine, planned before step 1: a planning pass
// over the same constructors, then arenas of exactly that size.
#pragma once

#include <cstdint>
#include <string>

#include "agent/machine_memory.h"
#include "config/config.h"
#include "runtime/journal_event.h"
#include "tensor/arena.h"

namespace colossus::kernels {
class Backend;
}

namespace colossus::runtime {

// In bytes. Room for shards that a rank may adopt is no part of what is
// planned.
struct RunMemoryPlan {
  // By purpose, of one machine with all ranks: their arenas, the slices of
  // weights and optimizer state with their backups, the backends' workspaces,
  // and the program itself as it stands now.
  tensor::MemoryPlan machine;
  // Of it what a rank does not share: the first, which writes checkpoints, and
  // each of the others (0: there are none).
  uint64_t first_rank_bytes = 0, other_rank_bytes = 0;
  // Of each rank; reserved, and untouched until it adopts shards.
  uint64_t room_bytes = 0;

  // More of a purpose, at the first rank.
  void add_to_first(const std::string& label, uint64_t bytes);
  uint64_t heaviest_rank_bytes() const;
};

// For `num_ranks` that host shards and `num_spares` that stand by.
RunMemoryPlan plan_memory(const config::Config& config, int64_t num_ranks,
                          int64_t num_spares, kernels::Backend& backend);

// This process as a rank.
MemoryUsed memory_used(int64_t rank);

// Shards that each of `num_ranks` ranks takes memory for at once: its part, as
// a power of two.
int64_t first_shards_of_rank(const config::Config& config, int64_t num_ranks);

// What the ranks of a machine share in this run.
agent::MachineLayout machine_layout(const config::Config& config);

// Several lines for people: largest first, with the total, and apart from them
// what each rank has alone and what is only reserved.
std::string memory_plan_text(const RunMemoryPlan& plan);

// Throws UserError if the plan exceeds `available_bytes` (0: unknown).
void check_memory(const RunMemoryPlan& plan, uint64_t available_bytes);

}  // namespace colossus::runtime
