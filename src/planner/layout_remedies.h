// What to do where a layout cannot be, or needs more memory than there is.
#pragma once

#include "base/thread_pool.h"
#include "planner/plan.h"

namespace colossus::planner {

// `layout` needs more than there is: how much, for what, and the fastest layout
// that fits among those that differ in the fewest dimensions. `drops_rules`:
// the request's rules for dimensions may be broken too.
MissingMemory missing_memory(const PlanRequest& request, const Layout& layout,
                             bool drops_rules, ThreadPool& pool);

// No layout keeps the rules. Throws UserError with those that the nearest
// breaks, and their numbers.
[[noreturn]] void throw_no_layout(const PlanRequest& request);

// "tensor 8 -> 4", for every dimension that differs.
std::vector<std::string> changes_between(const Layout& before,
                                         const Layout& after);

}  // namespace colossus::planner
