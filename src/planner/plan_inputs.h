// All that a plan rests on, each figure with where it comes from.
#pragma once

#include <vector>

#include "planner/plan_request.h"

namespace colossus::planner {

// The cluster's figures; the model's file; the software's habits; what the
// calibration fixed, graded as its file says.
std::vector<Input> inputs_of(const PlanRequest& request);

// Those that nobody has measured or published.
std::vector<Input> assumed(const std::vector<Input>& inputs);

}  // namespace colossus::planner
