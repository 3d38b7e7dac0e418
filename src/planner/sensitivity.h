// What one percent of each hardware figure is worth in the time of a step.
#pragma once

#include <string>
#include <vector>

#include "planner/layout_search.h"

namespace colossus::planner {

struct Sensitivity {
  std::string figure;        // "NIC bandwidth"
  double change = 0;         // of the figure: 0.01 = one percent more
  double step_change = 0;    // share of the step's time; below 0: faster
  bool is_searched = false;  // all layouts anew; else the same layout
};

// Of `layout`, the best of the request, and `search`, of the same. With a
// figure a little better the same layout stays best, or another is hardly
// faster: time as a function of a figure is the lowest of curves. More memory
// changes nothing but which layouts fit, so there all are searched anew.
std::vector<Sensitivity> sensitivities_of(const PlanRequest& request,
                                          const Layout& layout,
                                          LayoutSearch& search);

}  // namespace colossus::planner
