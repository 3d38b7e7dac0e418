// Formulas of goodput as others define it; goodput.h has this planner's own.
// Rates per second, times in seconds.
#pragma once

#include <string>

namespace colossus::planner {

// Stops of `downtime` seconds, all in, that come each `between` seconds of the
// wall's clock: (T - u) / T.
double goodput_of_wall(double between, double downtime);

// The same where `up` seconds of running lie between two stops: M / (M + u). It
// is not the same number: 18 and 10 min give 44% there and 64% here.
double goodput_of_uptime(double up, double downtime);

// Expected ETTR of Meta's RSC, 2410.21680: first order in the rate of faults.
// `save` seconds hold training up each `interval`.
double expected_ettr(double rate, double restart, double interval, double save);

// How kills follow each other.
enum class Gaps { kRegular, kUniform, kExponential };
Gaps gaps_named(const std::string& name);  // "regular", ...; throws UserError

// Of steps of `step` seconds at any time, the share that no kill hits, if
// kills come each `mean` seconds: the chance that the next one is later (the
// excess life of a renewal process), 1 - s/m, (1 - s/2m)^2 and exp(-s/m).
double undisturbed_share(Gaps gaps, double mean, double step);

}  // namespace colossus::planner
