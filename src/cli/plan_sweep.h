// What `colossus plan` does with --sweep and --out.
#pragma once

#include <string>

#include "base/thread_pool.h"
#include "planner/plan.h"
#include "planner/plan_flags.h"
#include "planner/sweep.h"

namespace colossus::cli {

// A table, a line a value.
void print_sweep(const planner::Sweep& sweep);

// The plans of all values, as a JSON array of {value, plan or why_not}.
std::string sweep_json(const planner::Sweep& sweep);

// The HTML report: the plan, its frontier of layouts, and curves: of `sweep`
// where there is one, else over the number of GPUs, an eighth to twice as many.
std::string plan_page(const planner::PlanFlags& flags,
                      const planner::Plan& plan, const planner::Sweep* sweep,
                      ThreadPool& pool);

}  // namespace colossus::cli
