// Spare nodes. Faults take nodes away at some rate, repair brings them back:
// the number away is Poisson with mean rate x mean repair time, whatever the
// law of repair times (Palm's theorem: M/G/infinity). If the rate itself varies
// like a gamma law, longer than a repair takes, it is negative binomial.
#pragma once

#include <cstdint>

namespace colossus::planner {

// The least number of spares that suffices for the share `suffice` < 1 of the
// time. `mean_away` >= 0; `burstiness`: the rate's standard deviation over its
// mean, 0 = it does not vary.
int64_t spares_for(double suffice, double mean_away, double burstiness);

// The share of the time in which at most `spares` are away.
double share_within(int64_t spares, double mean_away, double burstiness);

}  // namespace colossus::planner
