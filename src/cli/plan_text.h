// A plan for people.
#pragma once

#include "planner/plan.h"

namespace colossus::cli {

void print_plan(const planner::Plan& plan);

}  // namespace colossus::cli
