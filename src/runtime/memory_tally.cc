#include "runtime/memory_tally.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"

namespace colossus::runtime {
namespace {

std::string against(int64_t bytes, uint64_t planned_bytes) {
  const auto planned = static_cast<double>(planned_bytes);
  return fmt::format("{:+.1f}% of the plan",
                     100 * (static_cast<double>(bytes) - planned) / planned);
}

std::string human(int64_t bytes) {
  return human_bytes(static_cast<uint64_t>(bytes));
}

}  // namespace

std::string MemoryTally::text(const RunMemoryPlan& plan) const {
  if (used_.empty()) return "";
  const auto heaviest = std::max_element(
      used_.begin(), used_.end(), [](const auto& a, const auto& b) {
        return a.second.private_bytes < b.second.private_bytes;
      });
  std::map<int64_t, int64_t> by_machine;
  for (const auto& [rank, used] : used_) {
    const auto machine = machines_.find(rank);
    by_machine[machine == machines_.end() ? 0 : machine->second] +=
        used.private_bytes + used.shared_bytes;
  }
  const int64_t most = heaviest->second.private_bytes;
  std::string text = fmt::format("memory at the peak: rank {} alone {}",
                                 heaviest->first, human(most));
  if (by_machine.size() == 1) {
    const int64_t all = by_machine.begin()->second;
    return text + fmt::format(", {}; all ranks {}, {}",
                              against(most, plan.heaviest_rank_bytes()),
                              human(all),
                              against(all, tensor::total_bytes(plan.machine)));
  }
  for (const auto& [machine, bytes] : by_machine) {
    text += fmt::format("; machine {} {}", machine, human(bytes));
  }
  return text;
}

}  // namespace colossus::runtime
