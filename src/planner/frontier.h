// The layouts that are worth a choice between time and memory: none is both
// faster and smaller than one of them.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "planner/plan.h"

namespace colossus::planner {

// From the fastest that fits towards the smallest, at most `most` and none more
// than four times as slow, by searches that each allow less memory than the
// last layout needs; each is exact, layouts between two are left out. `most`
// >= 1; empty where nothing fits.
std::vector<PlannedLayout> layout_frontier(const PlanRequest& request, int most,
                                           ThreadPool& pool);

}  // namespace colossus::planner
