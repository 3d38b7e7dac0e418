#include "runtime/run_memory.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/strings.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "runtime/machine_memory.h"
#include "runtime/rank.h"
#include "runtime/run_recorder.h"

namespace colossus::runtime {
namespace {

void add(tensor::MemoryPlan& plan, const std::string& label, uint64_t bytes) {
  for (auto& [known, sum] : plan) {
    if (known == label) {
      sum += bytes;
      return;
    }
  }
  plan.emplace_back(label, bytes);
}

}  // namespace

void RunMemoryPlan::add_to_first(const std::string& label, uint64_t bytes) {
  add(machine, label, bytes);
  first_rank_bytes += bytes;
}

uint64_t RunMemoryPlan::heaviest_rank_bytes() const {
  return std::max(first_rank_bytes, other_rank_bytes);
}

RunMemoryPlan plan_memory(const config::Config& config, int64_t num_ranks,
                          int64_t num_spares, kernels::Backend& backend) {
  RunMemoryPlan plan;
  const int64_t shards = first_shards_of_rank(config, num_ranks);
  const int64_t processes = num_ranks + num_spares;
  uint64_t flat_bytes = 0;
  for (int64_t rank = 0; rank < processes; ++rank) {
    tensor::Arena arena, room;
    const RankMemory planned(config, shards, rank == 0, backend, arena, room);
    tensor::MemoryPlan own = arena.plan();
    // The workspace is reserved, and touched by the first step.
    add(own, "kernel workspace", backend.workspace_bytes());
    add(own, "program and libraries", resident_bytes());
    for (const auto& [label, bytes] : own) add(plan.machine, label, bytes);
    (rank == 0 ? plan.first_rank_bytes : plan.other_rank_bytes) =
        tensor::total_bytes(own);
    plan.room_bytes = std::max(plan.room_bytes, room.high_water_bytes());
    flat_bytes =
        static_cast<uint64_t>(planned.step.padded_count()) * sizeof(float);
  }
  add(plan.machine, "gradients", static_cast<uint64_t>(num_ranks) * flat_bytes);
  add(plan.machine, "weights", 2 * flat_bytes);
  add(plan.machine, "optimizer moments", 4 * flat_bytes);
  if (processes > 1) {
    add(plan.machine, "backups of weights and moments", 6 * flat_bytes);
  }
  return plan;
}

MemoryUsed memory_used(int64_t rank) {
  const SharedBytes shared = shared_bytes();
  const uint64_t peak = std::max(peak_resident_bytes(), shared.mapped);
  return {.rank = rank,
          .private_bytes = static_cast<int64_t>(peak - shared.mapped),
          .shared_bytes = static_cast<int64_t>(shared.part)};
}

int64_t first_shards_of_rank(const config::Config& config, int64_t num_ranks) {
  const int64_t part = std::max<int64_t>(1, config.run.num_shards / num_ranks);
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(part)));
}

agent::MachineLayout machine_layout(const config::Config& config) {
  return {.run = parse_hash128(config_digest(config)),
          .num_slots = 16,
          .num_shards = config.run.num_shards,
          .padded_count = model::ParameterList(config.model)
                              .padded_count(config.run.num_shards)};
}

std::string memory_plan_text(const RunMemoryPlan& plan) {
  tensor::MemoryPlan sorted = plan.machine;
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = fmt::format("memory planned: {}\n",
                                 human_bytes(tensor::total_bytes(sorted)));
  for (const auto& [label, bytes] : sorted) {
    text += fmt::format("  {:<26} {:>11}\n", label, human_bytes(bytes));
  }
  if (plan.other_rank_bytes == 0) return text;
  return text + fmt::format(
                    "of it unshared: the first rank {}, each other {}\n"
                    "reserved beside it, untouched until a rank adopts "
                    "shards: {} a rank\n",
                    human_bytes(plan.first_rank_bytes),
                    human_bytes(plan.other_rank_bytes),
                    human_bytes(plan.room_bytes));
}

void check_memory(const RunMemoryPlan& plan, uint64_t available_bytes) {
  const uint64_t held = resident_bytes();
  const uint64_t total = tensor::total_bytes(plan.machine);
  const uint64_t needed = total > held ? total - held : 0;
  if (available_bytes == 0 || needed <= available_bytes) return;
  throw user_error(
      "the run needs {} more memory and {} are free; take a smaller model or "
      "run.micro_batch_size, or fewer kernels.shards_together\n{}",
      human_bytes(needed), human_bytes(available_bytes),
      memory_plan_text(plan));
}

}  // namespace colossus::runtime
