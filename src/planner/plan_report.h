// A plan as one page of HTML that needs nothing but itself: what it says and
// how far to trust it first, then where time and memory go, the other layouts,
// curves over the number of GPUs or whatever was swept, what figures are worth,
// the run, and every figure that it rests on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/plan.h"
#include "planner/sweep.h"

namespace colossus::planner {

struct PlanReport {
  Plan plan;
  std::vector<PlannedLayout> frontier;  // frontier.h; may be empty
  std::vector<Sweep> sweeps;            // each with its curves; may be empty
};

std::string plan_report_html(const PlanReport& report);

}  // namespace colossus::planner
