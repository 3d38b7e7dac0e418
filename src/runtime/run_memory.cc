#include "runtime/run_memory.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "kernels/backend.h"
#include "runtime/machine_memory.h"

namespace colossus::runtime {
RunBuffers::RunBuffers(const config::Config& config, kernels::Backend& backend,
                       tensor::Arena& arena)
    : step(config, backend, arena) {
  const int64_t count = step.padded_count();
  state.w = arena.take<float>(count, "weights");
  state.m = arena.take<float>(count, "optimizer moments");
  state.v = arena.take<float>(count, "optimizer moments");
  snapshot = {arena.take<float>(3 * count, "checkpoint snapshot"),
              static_cast<size_t>(3 * count)};
}

tensor::MemoryPlan plan_memory(const config::Config& config,
                               kernels::Backend& backend) {
  tensor::Arena arena;
  const RunBuffers planned(config, backend, arena);
  tensor::MemoryPlan plan = arena.plan();
  // The workspace is reserved, and touched by the first step.
  plan.emplace_back("kernel workspace", backend.workspace_bytes());
  plan.emplace_back("program and libraries", resident_bytes());
  return plan;
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
