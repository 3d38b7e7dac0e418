#include "planner/frontier.h"

#include <algorithm>

#include "planner/layout_search.h"

namespace colossus::planner {
namespace {

// Each search asks for this much less than the one before needed; the last
// ones are near the smallest layout.
constexpr double kLess = 0.88;
constexpr double kSlowest = 4;  // times the fastest

}  // namespace

std::vector<PlannedLayout> layout_frontier(const PlanRequest& request, int most,
                                           ThreadPool& pool) {
  const double capacity = request.cluster.cluster.device.memory_bytes;
  LayoutSearch search(request, pool);
  const std::vector<FoundLayout> smallest =
      search.best(SearchGoal::kLeastMemory, 1);
  std::vector<PlannedLayout> frontier;
  double allowed = capacity;
  while (static_cast<int>(frontier.size()) < most) {
    const std::vector<FoundLayout> found =
        search.best(SearchGoal::kFastestThatFit, 1, allowed);
    if (found.empty()) break;
    if (!frontier.empty() &&
        found.front().seconds > kSlowest * frontier.front().cost.seconds) {
      break;
    }
    frontier.push_back(planned(request, found.front().layout));
    const double needed = found.front().needed_bytes;
    if (needed <= smallest.front().needed_bytes) break;
    allowed = std::max(kLess * needed, smallest.front().needed_bytes);
  }
  return frontier;
}

}  // namespace colossus::planner
