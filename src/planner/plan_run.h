// The run that a plan's best layout would make: what faults, power and prices
// make of it (run_forecast.h), and, where its GPUs come by and by, when it ends
// (growth.h).
#pragma once

#include <optional>

#include "base/thread_pool.h"
#include "planner/growth.h"
#include "planner/plan.h"

namespace colossus::planner {

// A checkpoint holds the weights in 16 bits and what M1 keeps of Adam: 2 + 12
// bytes a parameter.
RunNeeds run_needs(const PlanRequest& request, const PlannedLayout& planned);

// From the request's start day, or the first delivery, with the best layout of
// each number of GPUs in service. Nothing without deliveries.
std::optional<Growth> growth_of(const PlanRequest& request, ThreadPool& pool);

}  // namespace colossus::planner
