// What to do where a layout cannot be, or needs more memory than there is.
#pragma once

#include "base/thread_pool.h"
#include "planner/plan.h"

namespace colossus::planner {

// `layout` needs more than there is: how much, and for what. Where others fit,
// the fastest of them that differ in the fewest dimensions; where `none_fits`,
// the fastest that fits with the fewest of the request's rules dropped, or on
// how many GPUs one would.
MissingMemory missing_memory(const PlanRequest& request, const Layout& layout,
                             bool none_fits, ThreadPool& pool);

// No layout keeps the rules. Throws UserError with those that the nearest
// breaks, and their numbers.
[[noreturn]] void throw_no_layout(const PlanRequest& request);

// "tensor 8 -> 4", for every dimension that differs.
std::vector<std::string> changes_between(const Layout& before,
                                         const Layout& after);

}  // namespace colossus::planner
