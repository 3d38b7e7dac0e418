// Figures of a run in words, the same on a terminal and on a page.
#pragma once

#include <string>

#include "planner/goodput.h"

namespace colossus::planner {

std::string energy_text(double joules);   // "47.3 MJ", "150 MWh"
std::string dollars_text(double amount);  // "$81234", "$4.79M", "$1.2B"
// "recovery 4.63%, work made again 2.10%": all above 0.005%, the largest first.
std::string losses_text(const GoodputParts& parts);

}  // namespace colossus::planner
