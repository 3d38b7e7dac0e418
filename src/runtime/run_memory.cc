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

tensor::MemoryPlan plan_memory(const config::Config& config, int64_t num_ranks,
                               kernels::Backend& backend) {
  tensor::MemoryPlan plan;
  const int64_t shards = first_shards_of_rank(config, num_ranks);
  uint64_t flat_bytes = 0;
  for (int64_t rank = 0; rank < num_ranks; ++rank) {
    tensor::Arena arena, room;
    const RankMemory planned(config, shards, rank == 0, backend, arena, room);
    for (const auto& [label, bytes] : arena.plan()) add(plan, label, bytes);
    flat_bytes =
        static_cast<uint64_t>(planned.step.padded_count()) * sizeof(float);
    add(plan, "gradients", flat_bytes);
    // The workspace is reserved, and touched by the first step.
    add(plan, "kernel workspace", backend.workspace_bytes());
    add(plan, "program and libraries", resident_bytes());
  }
  add(plan, "weights", 2 * flat_bytes);
  add(plan, "optimizer moments", 4 * flat_bytes);
  if (num_ranks > 1)
    add(plan, "backups of weights and moments", 6 * flat_bytes);
  return plan;
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

std::string memory_plan_text(const tensor::MemoryPlan& plan) {
  tensor::MemoryPlan sorted = plan;
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = fmt::format("memory planned: {}\n",
                                 human_bytes(tensor::total_bytes(plan)));
  for (const auto& [label, bytes] : sorted) {
    text += fmt::format("  {:<26} {:>11}\n", label, human_bytes(bytes));
  }
  return text;
}

void check_memory(const tensor::MemoryPlan& plan, uint64_t available_bytes) {
  const uint64_t held = resident_bytes();
  const uint64_t total = tensor::total_bytes(plan);
  const uint64_t needed = total > held ? total - held : 0;
  if (available_bytes == 0 || needed <= available_bytes) return;
  throw user_error(
      "the run needs {} more memory and {} are free; take a smaller model or "
      "run.micro_batch_size, or fewer kernels.shards_together\n{}",
      human_bytes(needed), human_bytes(available_bytes),
      memory_plan_text(plan));
}

}  // namespace colossus::runtime
