// A whole plan as JSON for other programs, and read back (`plan diff`).
// Figures are in base units, which their names end in. docs/planner.md lists
// the keys; `schema_version` grows when one changes its meaning or goes away.
#pragma once

#include <string>

#include "planner/plan.h"

namespace colossus::planner {

inline constexpr int64_t kPlanSchemaVersion = 1;

// Indented, with a newline at the end. Reading it back gives the same plan.
std::string plan_json(const Plan& plan);

// `source` is the text's name in messages. Throws UserError: no plan, one of
// another version, a key that is missing or unknown, a figure that cannot be.
Plan read_plan_json(const std::string& text, const std::string& source);

}  // namespace colossus::planner
