// The planner's measures, from its scored runs.
#pragma once

#include <vector>

#include "planner/validation.h"

namespace colossus::planner {

std::vector<GroupErrors> group_errors(const std::vector<ScoredRun>& runs);

// `validation` has runs and groups. A measure without rows is left out.
std::vector<Measure> measures_of(const Validation& validation);

}  // namespace colossus::planner
