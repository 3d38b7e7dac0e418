#pragma once

#include <vector>

namespace colossus::planner {

// Of an even number, the mean of the two in the middle. At least one value.
double median(std::vector<double> values);

}  // namespace colossus::planner
