// The memory of a run on one machine, planned before step 1: a planning pass
// over the same constructors, then arenas of exactly that size.
#pragma once

#include <cstdint>
#include <string>

#include "agent/machine_memory.h"
#include "config/config.h"
#include "tensor/arena.h"

namespace colossus::kernels {
class Backend;
}

namespace colossus::runtime {

// What `num_ranks` ranks of one machine hold, bytes by purpose: their arenas,
// the slices of weights and optimizer state with their backups, the backends'
// workspaces, and the program itself as it stands now. Room for shards that a
// rank may adopt is not among it.
tensor::MemoryPlan plan_memory(const config::Config& config, int64_t num_ranks,
                               kernels::Backend& backend);

// Shards that each of `num_ranks` ranks takes memory for at once: its part, as
// a power of two.
int64_t first_shards_of_rank(const config::Config& config, int64_t num_ranks);

// What the ranks of a machine share in this run.
agent::MachineLayout machine_layout(const config::Config& config);

// Several lines for people: largest first, with the total.
std::string memory_plan_text(const tensor::MemoryPlan& plan);

// Throws UserError if the plan exceeds `available_bytes` (0: unknown).
void check_memory(const tensor::MemoryPlan& plan, uint64_t available_bytes);

}  // namespace colossus::runtime
